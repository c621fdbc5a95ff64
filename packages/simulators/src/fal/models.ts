/** The input schema of an app and its price. Sources: the pages of fal's models ("Input Schema", "Pricing") and the types of @fal-ai/client 1.10.1. */
export interface FalModel {
  /** The values of `duration` as they are spelt: `"8s"`, `"8"` or `8`. The first is the default. */
  readonly durations: readonly (string | number)[];
  /** The first is the default. Undefined if the app has one resolution. */
  readonly resolutions?: readonly string[];
  /** The shorter side of a video in pixels, if the app has one resolution. */
  readonly shorter?: number;
  /** Undefined if the video takes the ratio of its first frame. */
  readonly ratios?: readonly string[];
  /** The field of the first frame, which is then required. */
  readonly image?: string;
  /** Fields that only have to be of the right type. */
  readonly others: readonly string[];
  /** USD per second, at 720p or the only resolution. */
  readonly usd: { readonly silent: number; readonly audio: number };
}

type Shared = Omit<FalModel, 'image' | 'ratios'>;

/** An app from text and one from an image, whose last frame has a field of its own. */
function pair(
  app: string,
  shared: Shared,
  ratios: readonly string[],
  frames: { readonly image: string; readonly last?: string; readonly ratios?: readonly string[] },
  textPath = '/text-to-video',
): Readonly<Record<string, FalModel>> {
  const { image, last } = frames;
  return {
    [`${app}${textPath}`]: { ...shared, ratios },
    [`${app}/image-to-video`]: {
      ...shared,
      image,
      others: last === undefined ? shared.others : [...shared.others, last],
      ...(frames.ratios ? { ratios: frames.ratios } : {}),
    },
  };
}

const words = (from: number, to: number): string[] => numbers(from, to).map(String);
const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

const free = (usd: number) => ({ silent: usd, audio: usd });

const VEO_RATIOS = ['16:9', '9:16'];
const veo = (app: string, resolutions: readonly string[], usd: FalModel['usd']) =>
  pair(
    app,
    {
      durations: ['8s', '6s', '4s'],
      resolutions,
      others: ['negative_prompt', 'generate_audio', 'seed', 'auto_fix', 'safety_tolerance'],
      usd,
    },
    VEO_RATIOS,
    { image: 'image_url', ratios: ['auto', ...VEO_RATIOS] },
    '',
  );

const KLING_RATIOS = ['16:9', '9:16', '1:1'];
const KLING_FIELDS = ['negative_prompt', 'cfg_scale', 'generate_audio', 'voice_ids'];
const kling3 = (app: string, shorter: number, usd: FalModel['usd']) =>
  pair(
    app,
    {
      durations: ['5', ...words(3, 15)],
      shorter,
      others: [...KLING_FIELDS, 'elements', 'multi_prompt', 'shot_type'],
      usd,
    },
    KLING_RATIOS,
    { image: 'start_image_url', last: 'end_image_url' },
  );

const WAN_FIELDS = [
  'negative_prompt',
  'enable_prompt_expansion',
  'seed',
  'enable_safety_checker',
  'audio_url',
];
const SEEDANCE_RATIOS = ['16:9', '21:9', '4:3', '1:1', '3:4', '9:16', 'auto'];
const SEEDANCE_FIELDS = ['camera_fixed', 'seed', 'enable_safety_checker'];

/** Every simulated app. */
export const MODELS: Readonly<Record<string, FalModel>> = {
  ...veo('fal-ai/veo3.1', ['720p', '1080p', '4k'], { silent: 0.2, audio: 0.4 }),
  ...veo('fal-ai/veo3.1/fast', ['720p', '1080p', '4k'], { silent: 0.1, audio: 0.15 }),
  ...veo('fal-ai/veo3.1/lite', ['720p', '1080p'], { silent: 0.03, audio: 0.05 }),
  ...pair(
    'fal-ai/kling-video/v2.5-turbo/pro',
    { durations: ['5', '10'], shorter: 1080, others: ['negative_prompt', 'cfg_scale'], usd: free(0.07) },
    KLING_RATIOS,
    { image: 'image_url', last: 'tail_image_url' },
  ),
  ...pair(
    'fal-ai/kling-video/v2.6/pro',
    { durations: ['5', '10'], shorter: 1080, others: KLING_FIELDS, usd: { silent: 0.07, audio: 0.14 } },
    KLING_RATIOS,
    { image: 'start_image_url', last: 'end_image_url' },
  ),
  ...kling3('fal-ai/kling-video/v3/pro', 1080, { silent: 0.112, audio: 0.168 }),
  ...kling3('fal-ai/kling-video/v3/standard', 720, { silent: 0.084, audio: 0.126 }),
  ...pair(
    'fal-ai/wan-25-preview',
    { durations: ['5', '10'], resolutions: ['1080p', '720p', '480p'], others: WAN_FIELDS, usd: free(0.1) },
    KLING_RATIOS,
    { image: 'image_url' },
  ),
  ...pair(
    'fal-ai/wan/v2.7',
    { durations: [5, ...numbers(2, 15)], resolutions: ['1080p', '720p'], others: WAN_FIELDS, usd: free(0.1) },
    ['16:9', '9:16', '1:1', '4:3', '3:4'],
    { image: 'image_url', last: 'end_image_url' },
  ),
  ...pair(
    'fal-ai/bytedance/seedance/v1.5/pro',
    {
      durations: ['5', ...words(4, 12)],
      resolutions: ['720p', '480p', '1080p'],
      others: [...SEEDANCE_FIELDS, 'generate_audio'],
      usd: { silent: 0.026, audio: 0.052 },
    },
    SEEDANCE_RATIOS,
    { image: 'image_url', last: 'end_image_url', ratios: SEEDANCE_RATIOS },
  ),
  ...pair(
    'fal-ai/bytedance/seedance/v1/pro/fast',
    {
      durations: ['5', ...words(2, 12)],
      resolutions: ['1080p', '720p', '480p'],
      others: SEEDANCE_FIELDS,
      usd: free(0.022),
    },
    SEEDANCE_RATIOS,
    { image: 'image_url', ratios: SEEDANCE_RATIOS },
  ),
  ...pair(
    'bytedance/seedance-2.0',
    {
      durations: ['auto', ...words(4, 15)],
      resolutions: ['720p', '480p', '1080p'],
      others: ['generate_audio', 'seed', 'end_user_id'],
      usd: free(0.3034),
    },
    ['auto', ...SEEDANCE_RATIOS.slice(0, -1)],
    { image: 'image_url', last: 'end_image_url', ratios: SEEDANCE_RATIOS },
  ),
};
