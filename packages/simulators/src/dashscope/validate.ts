import { RATIOS, SIZES, TIER_SIZES, type WanModel } from './models.ts';
import type { Tier } from './tier.ts';

/** What a request asks for, as far as it determines the result. */
export interface WanRequest {
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  readonly tier: Tier;
  /** For example `16:9`. The ratio of a first frame, which the simulator takes for 16:9. */
  readonly ratio: string;
  readonly audio: boolean;
  readonly promptExtend: boolean;
  readonly seed: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;
/** Throws an error with DashScope's message if something is wrong. */
type Check = (fields: Fields, model: WanModel) => void;

/** An error with DashScope's message about a request. */
export class InvalidRequest extends Error {}

/** Checks a request as the API reference of its model's generation documents it. Throws `InvalidRequest`. */
export function parseRequest(model: WanModel, input: Fields, parameters: Fields): WanRequest {
  for (const name of Object.keys(parameters)) {
    if (!PARAMETERS[model.generation].has(name)) fail(`Unexpected parameter: parameters.${name}`);
  }
  if (typeof input.prompt === 'string' ? input.prompt === '' : needsPrompt(model, input)) {
    fail('Field required: input.prompt');
  }
  text(input, 'negative_prompt');
  INPUTS[model.generation](input, model);
  for (const name of ['prompt_extend', 'watermark', 'audio']) flag(parameters, name);
  whole(parameters, 'seed', model.generation === 'wan3' ? -1 : 0, 2_147_483_647);
  const { shot_type: shots } = parameters;
  if (shots !== undefined && shots !== 'single' && shots !== 'multi') {
    fail(`The shot_type ${String(shots)} is not supported`);
  }
  const seconds = secondsOf(model, parameters);
  const shape =
    model.generation === 'legacy' ? legacyShape(model, parameters) : tieredShape(model, parameters);
  return {
    prompt: typeof input.prompt === 'string' ? input.prompt : '',
    ...shape,
    seconds,
    audio: model.sound === 'always' || (model.sound === 'chosen' && parameters.audio !== false),
    promptExtend: parameters.prompt_extend !== false,
    seed: typeof parameters.seed === 'number' && parameters.seed >= 0 ? parameters.seed : undefined,
  };
}

/** Wan 2.7 and later have no `size`, 2.6 and earlier no `ratio`. */
const PARAMETERS: Readonly<Record<WanModel['generation'], ReadonlySet<string>>> = {
  legacy: new Set([
    'size',
    'resolution',
    'duration',
    'prompt_extend',
    'shot_type',
    'watermark',
    'seed',
    'audio',
  ]),
  'wan2.7': new Set(['resolution', 'ratio', 'duration', 'prompt_extend', 'watermark', 'seed']),
  wan3: new Set(['resolution', 'ratio', 'duration', 'prompt_extend', 'watermark', 'seed', 'audio']),
};

const INPUTS: Readonly<Record<WanModel['generation'], Check>> = {
  legacy(input, { mode }) {
    if (mode === 'i2v') imageAt(input, 'img_url', 'required');
    if (mode === 'kf2v') {
      imageAt(input, 'first_frame_url', 'required');
      imageAt(input, 'last_frame_url', input.template === undefined ? 'required' : 'optional');
    }
    if (mode === 'r2v') referenceUrls(input.reference_urls);
  },
  'wan2.7'(input, { mode }) {
    if (mode === 't2v') return;
    const counts = mediaCounts(input.media, MEDIA_2_7[mode] ?? {});
    if (mode === 'i2v' && !counts.has('first_frame') && !counts.has('first_clip')) {
      fail('Field required: input.media first_frame or first_clip');
    }
    if (mode === 'r2v' && !counts.has('reference_image') && !counts.has('reference_video')) {
      fail('Field required: input.media reference_image or reference_video');
    }
  },
  wan3(input) {
    if (input.media === undefined) return;
    const counts = mediaCounts(input.media, MEDIA_3);
    const frames = counts.has('first_frame') || counts.has('last_frame');
    if (frames && [...counts.keys()].some((type) => !FRAMES.has(type))) {
      fail('first_frame and last_frame cannot be used together with reference media, file or link');
    }
    if (counts.has('last_frame') && !counts.has('first_frame')) fail('last_frame requires first_frame');
  },
};

const FRAMES: ReadonlySet<string> = new Set(['first_frame', 'last_frame']);

/** How many items of each kind "Wan2.7 image-to-video" and "reference-to-video" take. */
const MEDIA_2_7: Readonly<Partial<Record<WanModel['mode'], Readonly<Record<string, number>>>>> = {
  i2v: { first_frame: 1, last_frame: 1, driving_audio: 1, first_clip: 1 },
  r2v: { first_frame: 1, reference_image: 5, reference_video: 5 },
};

/** "Wan3.0 video generation API reference", `input.media`. */
const MEDIA_3: Readonly<Record<string, number>> = {
  first_frame: 1,
  last_frame: 1,
  reference_image: 10,
  reference_video: 5,
  reference_audio: 5,
  file: 1,
  link: 1,
};

function needsPrompt({ generation, mode }: WanModel, input: Fields): boolean {
  if (generation === 'wan3') return input.media === undefined;
  return mode === 't2v' || mode === 'r2v';
}

function mediaCounts(media: unknown, allowed: Readonly<Record<string, number>>): Map<string, number> {
  if (!Array.isArray(media) || media.length === 0) fail('Field required: input.media');
  const counts = new Map<string, number>();
  for (const item of media as readonly unknown[]) {
    const { type, url } = (typeof item === 'object' && item !== null ? item : {}) as Fields;
    const most = typeof type === 'string' ? allowed[type] : undefined;
    if (typeof type !== 'string' || most === undefined) fail(`Unsupported media type: ${String(type)}`);
    const count = (counts.get(type) ?? 0) + 1;
    if (count > most) fail(`Too many media of type ${type}, at most ${most}`);
    counts.set(type, count);
    checkUrl(url, 'input.media.url', type.endsWith('image') || type.endsWith('frame'));
  }
  return counts;
}

function imageAt(input: Fields, name: string, need: 'required' | 'optional'): void {
  if (input[name] === undefined) {
    if (need === 'required') fail(`Field required: input.${name}`);
    return;
  }
  checkUrl(input[name], `input.${name}`, true);
}

/** "Wan reference-to-video (2.6)": only public URLs, five at most. */
function referenceUrls(urls: unknown): void {
  if (!Array.isArray(urls) || urls.length === 0) fail('Field required: input.reference_urls');
  if (urls.length > 5) fail('input.reference_urls: at most 5');
  for (const url of urls as readonly unknown[]) checkUrl(url, 'input.reference_urls', false);
}

function checkUrl(url: unknown, name: string, base64: boolean): void {
  if (typeof url !== 'string') fail(`${name} must be a string`);
  if (/^(?:https?|oss):\/\//.test(url)) return;
  const data = /^data:image\/[a-z+]+;base64,([A-Za-z0-9+/]+=*)$/.exec(url);
  if (!base64 || !data) fail(`The provided URL does not appear to be valid: ${name}`);
}

function secondsOf({ seconds, generation }: WanModel, { duration }: Fields): number {
  if (duration === undefined) return 5;
  // Wan 3: with -1 the model chooses.
  if (duration === -1 && generation === 'wan3') return 5;
  const fits =
    typeof duration === 'number' &&
    Number.isInteger(duration) &&
    ('oneOf' in seconds
      ? seconds.oneOf.includes(duration)
      : duration >= seconds.from && duration <= seconds.to);
  if (!fits) fail(`The duration ${String(duration)} is not supported by the model`);
  return duration;
}

type Shape = Pick<WanRequest, 'width' | 'height' | 'tier' | 'ratio'>;

function legacyShape(model: WanModel, parameters: Fields): Shape {
  const bySize = model.mode === 't2v' || model.mode === 'r2v';
  if (!bySize) {
    if (parameters.size !== undefined) fail('Unexpected parameter: parameters.size');
    return tieredShape(model, parameters);
  }
  if (parameters.resolution !== undefined) fail('Unexpected parameter: parameters.resolution');
  const size = parameters.size ?? SIZES[model.defaultTier]['16:9'];
  for (const tier of model.tiers) {
    const ratio = Object.entries(SIZES[tier]).find(([, known]) => known === size)?.[0];
    if (ratio !== undefined) return { ...pixels(tier, ratio), tier, ratio };
  }
  return fail(`The size is not match ${String(size)}`);
}

function tieredShape({ tiers, defaultTier, mode, generation }: WanModel, parameters: Fields): Shape {
  const wanted = parameters.resolution ?? defaultTier;
  const tier = tiers.find((one) => one === wanted);
  if (!tier) return fail(`The resolution ${String(wanted)} is not supported by the model`);
  if (generation === 'wan2.7' && mode === 'i2v' && parameters.ratio !== undefined) {
    fail('Unexpected parameter: parameters.ratio');
  }
  const asked = parameters.ratio ?? '16:9';
  // An adaptive video takes its ratio from its inputs, which the simulator does not inspect.
  const ratio = asked === 'adaptive' && generation === 'wan3' ? '16:9' : asked;
  const known = generation === 'legacy' ? ['16:9'] : RATIOS[generation];
  if (typeof ratio !== 'string' || !known.includes(ratio)) {
    return fail(`The ratio ${String(ratio)} is not supported by the model`);
  }
  return { ...pixels(tier, ratio), tier, ratio };
}

function pixels(tier: Tier, ratio: string): { width: number; height: number } {
  const [width = 0, height = 0] = (TIER_SIZES[tier][ratio] ?? '').split('*').map(Number);
  return { width, height };
}

function flag(fields: Fields, name: string): void {
  if (fields[name] !== undefined && typeof fields[name] !== 'boolean')
    fail(`parameters.${name} must be a boolean`);
}

function text(fields: Fields, name: string): void {
  if (fields[name] !== undefined && typeof fields[name] !== 'string') fail(`input.${name} must be a string`);
}

function whole(fields: Fields, name: string, from: number, to: number): void {
  const value = fields[name];
  if (value === undefined) return;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < from || value > to) {
    fail(`parameters.${name} must be in [${from}, ${to}]`);
  }
}

function fail(message: string): never {
  throw new InvalidRequest(message);
}
