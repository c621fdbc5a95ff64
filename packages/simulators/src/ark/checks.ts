import type { Content } from './content.ts';
import { refusals } from './errors.ts';
import type { SeedanceModel } from './models.ts';

/** The checked parameters of a task, with the model's defaults filled in. */
export interface Parameters {
  readonly resolution: string;
  readonly ratio: string;
  /** Seconds. With -1 the model chooses. */
  readonly duration: number;
  readonly frames: number | undefined;
  readonly seed: number;
  readonly audio: boolean;
  readonly draft: boolean;
  readonly priority: number;
  readonly tier: string;
  /** Seconds from creation. */
  readonly expiresAfter: number;
  readonly safetyIdentifier: string | undefined;
  readonly lastFrame: boolean;
  readonly callbackUrl: string | undefined;
  readonly taskType: 'auto' | 'reference' | 'edit' | 'extend';
}

const TASK_TYPES = ['auto', 'reference', 'edit', 'extend'] as const;
const taskTypeIn = (value: unknown) => TASK_TYPES.find((type) => type === value) ?? 'auto';

const RATIOS = ['16:9', '4:3', '1:1', '3:4', '9:16', '21:9', 'adaptive'];

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const within = (value: unknown, from: number, to: number): boolean =>
  Number.isInteger(value) && Number(value) >= from && Number(value) <= to;

type Check = (value: unknown, model: SeedanceModel, content: Content) => boolean;

/** The allowed values of the top-level fields besides `model` and `content`. Other fields are ignored (seen by others). */
const CHECKS: Readonly<Record<string, Check>> = {
  resolution: (value, { resolutions }) => typeof value === 'string' && resolutions.includes(value),
  ratio: (value, { adaptiveText }, { task }) =>
    typeof value === 'string' &&
    RATIOS.includes(value) &&
    (value !== 'adaptive' || adaptiveText || task !== 't2v'),
  duration: (value, { seconds: [shortest, longest], auto }) =>
    within(value, shortest, longest) || (auto && value === -1),
  frames: (value) => within(value, 29, 289) && (Number(value) - 25) % 4 === 0,
  // BytePlus: up to 2147483647. Volcengine: up to 2^32 - 1. The narrower range is in both. Listed for 1.x; 2.x report their seed too.
  seed: (value) => within(value, -1, 2 ** 31 - 1),
  camera_fixed: (value, _model, { task }) => isBoolean(value) && task !== 'r2v',
  watermark: isBoolean,
  generate_audio: isBoolean,
  return_last_frame: isBoolean,
  draft: isBoolean,
  output_format: (value) => value === 'mp4' || value === 'mov',
  omni_reference_task_type: (value) => TASK_TYPES.some((type) => type === value),
  priority: (value) => within(value, 0, 9),
  tools: Array.isArray,
  service_tier: (value) => value === 'default' || value === 'flex',
  execution_expires_after: (value) => within(value, 3600, 259_200),
  safety_identifier: (value) => typeof value === 'string' && value.length <= 64,
  callback_url: (value) => typeof value === 'string' && /^https?:\/\/./.test(value),
};

/** Fields that only models which list them accept. */
const PARTICULAR = [
  'frames',
  'camera_fixed',
  'generate_audio',
  'draft',
  'output_format',
  'omni_reference_task_type',
  'priority',
  'tools',
];

/** The only flags that are checked. Wrong values of other flags are ignored (seen by others). */
const CHECKED_FLAGS = ['resolution', 'duration'];

/** Top-level fields are strictly validated. A flag after the text counts if the field is absent. */
export function readParameters(
  body: Readonly<Record<string, unknown>>,
  model: SeedanceModel,
  content: Content,
): Parameters {
  const given: Record<string, unknown> = {};
  for (const [field, check] of Object.entries(CHECKS)) {
    const value = body[field];
    if (value === undefined || value === null) continue;
    if (PARTICULAR.includes(field) && !model.fields.includes(field)) throw refusals.unsupported(field);
    if (!check(value, model, content)) throw refusals.invalid(field, model.name, content.task);
    given[field] = value;
  }
  for (const [field, value] of Object.entries(flagsOf(content.text))) {
    if (given[field] !== undefined) continue;
    const known = !PARTICULAR.includes(field) || model.fields.includes(field);
    if (known && CHECKS[field]?.(value, model, content)) given[field] = value;
    else if (CHECKED_FLAGS.includes(field)) throw refusals.invalid(field, model.name, content.task);
  }
  const tier = String(given.service_tier ?? 'default');
  if (!model.tiers.includes(tier)) throw refusals.unsupported('service_tier');
  if (given.draft === true && (given.resolution ?? model.defaultResolution) !== '480p') {
    throw refusals.invalid('resolution', model.name, content.task);
  }
  return {
    resolution: String(given.resolution ?? model.defaultResolution),
    ratio: String(given.ratio ?? (model.adaptiveText || content.task !== 't2v' ? 'adaptive' : '16:9')),
    duration: Number(given.duration ?? model.defaultSeconds),
    frames: given.frames === undefined ? undefined : Number(given.frames),
    seed: Number(given.seed ?? -1),
    audio: model.fields.includes('generate_audio') && given.generate_audio !== false,
    draft: given.draft === true,
    priority: Number(given.priority ?? 0),
    tier,
    expiresAfter: Number(given.execution_expires_after ?? 172_800),
    safetyIdentifier: given.safety_identifier === undefined ? undefined : String(given.safety_identifier),
    lastFrame: given.return_last_frame === true,
    taskType: taskTypeIn(given.omni_reference_task_type),
    callbackUrl: given.callback_url === undefined ? undefined : String(given.callback_url),
  };
}

/** The documented flags, long and short, and the field that each stands for. */
const FLAGS: Readonly<Record<string, string>> = {
  resolution: 'resolution',
  rs: 'resolution',
  ratio: 'ratio',
  rt: 'ratio',
  duration: 'duration',
  dur: 'duration',
  frames: 'frames',
  seed: 'seed',
  camerafixed: 'camera_fixed',
  cf: 'camera_fixed',
  watermark: 'watermark',
  wm: 'watermark',
};

/** Flags at the very end of a text. */
const ROW = /(?:(?:^|\s)--[a-z_]+(?:\s+(?!--)\S+)?)+\s*$/i;

/**
 * The older form of parameters: `--rs 720p --rt 16:9 --dur 5 --seed 11 --cf false --wm true` after the text. "Weakly
 * validated": an unknown flag is ignored.
 */
function flagsOf(text: string): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = {};
  for (const [, flag = '', value = 'true'] of (ROW.exec(text)?.[0] ?? '').matchAll(
    /--([a-z_]+)(?:\s+(?!--)(\S+))?/gi,
  )) {
    const field = FLAGS[flag.toLowerCase()];
    if (field !== undefined) fields[field] = valueIn(value);
  }
  return fields;
}

function valueIn(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+$/.test(text) ? Number(text) : text;
}
