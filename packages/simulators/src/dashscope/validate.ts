import { SOUND_OF_VIDU_AD, SOURCE_SECONDS } from './assumptions.ts';
import { checkInputs, fail, videosOf } from './inputs.ts';
import { type Generation, RATIOS, SIZES, sizeOf, type WanModel } from './models.ts';
import type { Tier } from './tier.ts';

/** What a request asks for, as far as it determines the result. */
export interface WanRequest {
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  /** Seconds of the source video, which are billed too. */
  readonly inputSeconds: number;
  readonly tier: Tier;
  /** For example `16:9`. The ratio of a first frame, which the simulator takes for 16:9. */
  readonly ratio: string;
  readonly audio: boolean;
  readonly promptExtend: boolean;
  readonly seed: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Checks a request as the API reference of its model documents it. Throws `InvalidRequest`. */
export function parseRequest(model: WanModel, input: Fields, parameters: Fields): WanRequest {
  only(parameters, PARAMETERS[model.generation](model), 'parameters');
  const inputs = INPUTS[model.generation];
  if (inputs) only(input, [...inputs, ...OF_THE_SDK], 'input');
  text(input, 'negative_prompt');
  checkInputs(model, input);
  for (const name of ['prompt_extend', 'watermark', 'audio', 'enable_thinking']) flag(parameters, name);
  whole(parameters, 'seed', model.generation === 'wan3' ? -1 : 0, 2_147_483_647);
  oneOf(parameters, 'shot_type', ['single', 'multi']);
  oneOf(parameters, 'audio_setting', ['auto', 'origin']);
  const seconds = secondsOf(model, parameters);
  // "Wan2.7 reference-to-video": 2 to 10 s with a reference video.
  if (model.generation === 'wan2.7' && model.mode === 'r2v' && seconds > 10 && videosOf(input) > 0) {
    fail(`The duration ${seconds} is not supported with a reference video`);
  }
  return {
    prompt: typeof input.prompt === 'string' ? input.prompt : '',
    ...shapeOf(model, input, parameters),
    seconds,
    inputSeconds: inputSecondsOf(model, input, seconds),
    audio: hasSound(model, parameters),
    promptExtend: parameters.prompt_extend !== false,
    seed: typeof parameters.seed === 'number' && parameters.seed >= 0 ? parameters.seed : undefined,
  };
}

/** "Billed by the seconds of input videos and of the result." Wan 2.6: "Up to five seconds of the videos together." */
function inputSecondsOf({ mode, generation }: WanModel, input: Fields, seconds: number): number {
  // "Vidu reference video": billed by the result.
  if (generation === 'vidu') return 0;
  if (mode === 'edit') return seconds;
  const given = videosOf(input) * SOURCE_SECONDS;
  return generation === 'legacy' ? Math.min(given, 5) : given;
}

/** Kling and Vidu are silent unless they are asked for sound; Wan makes sound unless it is told not to. */
function hasSound({ sound, generation }: WanModel, { audio }: Fields): boolean {
  if (sound !== 'chosen') return sound === 'always';
  return generation === 'kling' || generation === 'vidu' ? audio === true : audio !== false;
}

const SHARED = ['duration', 'watermark', 'seed'];

/** The parameters of each API reference. Wan 2.7 and later have no `size`, 2.6 and earlier no `ratio`. */
const PARAMETERS: Readonly<Record<Generation, (model: WanModel) => readonly string[]>> = {
  legacy: ({ mode, sound }) => [
    ...SHARED,
    'size',
    'resolution',
    'shot_type',
    // "Wan reference-to-video (2.6)" has no rewriting.
    ...(mode === 'r2v' ? [] : ['prompt_extend']),
    // "Supported models: wan2.6-i2v-flash", "wan2.6-r2v-flash".
    ...(sound === 'chosen' ? ['audio'] : []),
  ],
  'wan2.7': ({ mode }) => [
    ...SHARED,
    'resolution',
    'prompt_extend',
    ...(mode === 'i2v' ? [] : ['ratio']),
    ...(mode === 'edit' ? ['audio_setting'] : []),
  ],
  // `enable_thinking` as dashscope-sdk-python documents it (`VideoSynthesis`).
  wan3: () => [...SHARED, 'resolution', 'ratio', 'prompt_extend', 'audio', 'enable_thinking'],
  // "HappyHorse video editing": the result is as long and as wide as its source.
  happyhorse: ({ mode }) =>
    mode === 'edit'
      ? ['resolution', 'watermark', 'seed', 'audio_setting']
      : [...SHARED, 'resolution', ...(mode === 'i2v' ? [] : ['ratio'])],
  // "Kling video generation".
  kling: () => ['mode', 'aspect_ratio', 'duration', 'audio', 'watermark'],
  // The four references of Vidu. "Supported models" of `audio`: those of Q3 but Drama.
  vidu: ({ mode, sound }) => [
    ...SHARED,
    'resolution',
    ...(mode === 'i2v' || mode === 'kf2v' ? [] : ['size']),
    ...(sound === 'chosen' ? [SOUND_OF_VIDU_AD] : []),
  ],
};

/** The members of `input`, where the API reference has nothing besides a prompt and media. */
const INPUTS: Readonly<Partial<Record<Generation, readonly string[]>>> = {
  wan3: ['prompt', 'media'],
  happyhorse: ['prompt', 'media'],
  vidu: ['prompt', 'media'],
};

/** What dashscope-sdk-python adds to the input for every model (`VideoSynthesis._get_input`). */
const OF_THE_SDK = ['extend_prompt', 'function'];

function secondsOf({ seconds, generation, mode }: WanModel, { duration }: Fields): number {
  if (duration === undefined) return mode === 'edit' ? SOURCE_SECONDS : 5;
  // "Wan2.7 video editing": as long as the source.
  if (duration === 0 && mode === 'edit') return SOURCE_SECONDS;
  // "viduq2-pro_reference2video": with 0 the model plans, usually as long as a reference video.
  if (duration === 0 && generation === 'vidu' && mode === 'omni') return SOURCE_SECONDS;
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

function shapeOf(model: WanModel, input: Fields, parameters: Fields): Shape {
  if (model.generation === 'legacy') return legacyShape(model, parameters);
  if (model.generation === 'vidu') return viduShape(model, parameters);
  return model.generation === 'kling' ? klingShape(input, parameters) : tieredShape(model, parameters);
}

/** "Kling video generation", `mode` and `aspect_ratio`, which is required without a first frame. */
function klingShape(input: Fields, { mode = 'pro', aspect_ratio: asked }: Fields): Shape {
  if (mode !== 'std' && mode !== 'pro') return fail(`The mode ${String(mode)} is not supported`);
  if (asked === undefined && input.media === undefined)
    return fail('Field required: parameters.aspect_ratio');
  const ratio = asked ?? '16:9';
  if (typeof ratio !== 'string' || !RATIOS.kling.includes(ratio)) {
    return fail(`The aspect_ratio ${String(ratio)} is not supported`);
  }
  const tier = mode === 'std' ? '720P' : '1080P';
  return { ...pixels('kling', tier, ratio), tier, ratio };
}

/** "Vidu", `resolution` and `size`, which goes with its tier. "Reference video": without a resolution a size is ignored. */
function viduShape({ tiers, defaultTier, mode, ratios = RATIOS.vidu }: WanModel, parameters: Fields): Shape {
  const { resolution, size } = parameters;
  const tier = tiers.find((one) => one === (resolution ?? defaultTier));
  if (!tier) return fail(`The resolution ${String(resolution)} is not supported by the model`);
  const isIgnored = size === undefined || (resolution === undefined && mode !== 't2v');
  const ratio = isIgnored ? '16:9' : ratios.find((one) => sizeOf('vidu', tier, one) === size);
  if (ratio === undefined) return fail(`The size is not match ${String(size)}`);
  return { ...pixels('vidu', tier, ratio), tier, ratio };
}

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
    if (ratio !== undefined) return { ...pixels(model.generation, tier, ratio), tier, ratio };
  }
  return fail(`The size is not match ${String(size)}`);
}

function tieredShape({ tiers, defaultTier, generation }: WanModel, parameters: Fields): Shape {
  const wanted = parameters.resolution ?? defaultTier;
  const tier = tiers.find((one) => one === wanted);
  if (!tier) return fail(`The resolution ${String(wanted)} is not supported by the model`);
  const asked = parameters.ratio ?? '16:9';
  // An adaptive video takes its ratio from its inputs, which the simulator does not inspect.
  const ratio = asked === 'adaptive' && generation === 'wan3' ? '16:9' : asked;
  const known = generation === 'legacy' ? ['16:9'] : RATIOS[generation];
  if (typeof ratio !== 'string' || !known.includes(ratio)) {
    return fail(`The ratio ${String(ratio)} is not supported by the model`);
  }
  return { ...pixels(generation, tier, ratio), tier, ratio };
}

function pixels(generation: Generation, tier: Tier, ratio: string): { width: number; height: number } {
  const [width = 0, height = 0] = (sizeOf(generation, tier, ratio) ?? '').split('*').map(Number);
  return { width, height };
}

function only(fields: Fields, names: readonly string[], within: string): void {
  for (const name of Object.keys(fields)) {
    if (!names.includes(name)) fail(`Unexpected parameter: ${within}.${name}`);
  }
}

function oneOf(fields: Fields, name: string, words: readonly string[]): void {
  const value = fields[name];
  if (value !== undefined && !words.some((word) => word === value)) {
    fail(`The ${name} ${String(value)} is not supported`);
  }
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
