/** The Gemini API. Without the version. */
export const GEMINI_URL = 'https://generativelanguage.googleapis.com';

/** "Generated videos are stored on the server for 2 days" (Gemini API, Veo, limitations); files in general: 48 hours ("Files API"). Milliseconds. */
export const FILE_KEPT_MS = 2 * 24 * 3_600_000;

/** Where the bytes of a result are, and whether the account's credentials may go there. */
export interface Place {
  readonly url: string;
  readonly authorised: boolean;
}

/** The id of a file of the Gemini API, by its link. */
export const fileOf = (uri: string): string | undefined =>
  /\/files\/([\w-]+)(?::download)?(?:\?|$)/.exec(uri)?.[1];

/** The place of a file of the Gemini API at `base`. */
export function placeOfFile(base: string, uri: string): Place {
  // The key is sent only to the account's own base URL. So files are requested there by their name, as the SDK does.
  const file = fileOf(uri);
  if (file === undefined) return { url: uri, authorised: new URL(uri).origin === new URL(base).origin };
  return { url: `${base}/v1beta/files/${file}:download?alt=media`, authorised: true };
}
