/** "V6", "C1" and "Pricing": credits a second by quality, without and with sound. A credit costs 0.01 USD. */
export interface PixverseModel {
  readonly credits: Readonly<Record<string, number>>;
  /** Where what sound costs is known. */
  readonly creditsWithSound: Readonly<Record<string, number>>;
}

export const MODELS: Readonly<Record<string, PixverseModel>> = {
  v6: { credits: { '720p': 9, '1080p': 18 }, creditsWithSound: { '720p': 12, '1080p': 23 } },
  c1: { credits: { '720p': 10, '1080p': 19 }, creditsWithSound: { '1080p': 24 } },
};

export const USD_PER_CREDIT = 0.01;
/** "1~15." */
export const LONGEST_SECONDS = 15;
export const RATIOS = ['16:9', '4:3', '1:1', '3:4', '9:16', '2:3', '3:2', '21:9'];
export const SHORTER_SIDE: Readonly<Record<string, number>> = { '720p': 720, '1080p': 1080 };
export const LONGEST_PROMPT = 5000;
export const HIGHEST_SEED = 2_147_483_647;
