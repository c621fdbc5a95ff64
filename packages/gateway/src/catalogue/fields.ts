import { invalidRequest } from '../tasks/errors.ts';
import { unknownFields } from './unknownFields.ts';

/** The unified parameters of a video, by their names in `VideoRequest`. A catalogue entry says which values a model accepts. */
export const PARAMETERS = [
  'duration',
  'resolution',
  'aspectRatio',
  'negativePrompt',
  'image',
  'lastFrame',
  'references',
  'videoUrl',
  'generateAudio',
  'seed',
  'style',
  'cameraFixed',
  'watermark',
  'promptExtend',
  'personGeneration',
] as const;
export type Parameter = (typeof PARAMETERS)[number];

/** Every field of a submit body. */
export type Field =
  | Parameter
  | 'model'
  | 'prompt'
  | 'size'
  | 'referenceImages'
  | 'imageFit'
  | 'metadata'
  | 'maxCost'
  | 'webhookUrl'
  | 'providerOptions';

/** The spellings of each field on the wire: its canonical name first, then its aliases. */
export const SPELLINGS: Readonly<Record<Field, readonly [string, ...string[]]>> = {
  model: ['model'],
  prompt: ['prompt'],
  duration: ['duration', 'durationSeconds', 'duration_seconds', 'seconds'],
  resolution: ['resolution'],
  aspectRatio: ['aspect_ratio', 'aspectRatio', 'ratio'],
  size: ['size'],
  negativePrompt: ['negative_prompt', 'negativePrompt'],
  image: ['image', 'image_url', 'imageUrl', 'first_frame', 'firstFrame', 'input_reference', 'inputReference'],
  lastFrame: ['last_frame', 'lastFrame', 'last_frame_image', 'lastFrameImage'],
  references: ['references'],
  referenceImages: ['reference_images', 'referenceImages'],
  imageFit: ['image_fit', 'imageFit'],
  videoUrl: ['video_url', 'videoUrl'],
  generateAudio: ['generate_audio', 'generateAudio'],
  seed: ['seed'],
  style: ['style'],
  cameraFixed: ['camera_fixed', 'cameraFixed'],
  watermark: ['watermark'],
  promptExtend: ['prompt_extend', 'promptExtend'],
  personGeneration: ['person_generation', 'personGeneration'],
  metadata: ['metadata'],
  maxCost: ['max_cost', 'maxCost'],
  webhookUrl: ['webhook_url', 'webhookUrl'],
  providerOptions: ['provider_options', 'providerOptions'],
};

/** The canonical name of a field on the wire. */
export const wireName = (field: Field): string => SPELLINGS[field][0];

/** A value from the caller, and the spelling of the field that the caller used. */
export interface Given {
  readonly name: string;
  readonly value: unknown;
}

const FIELD_OF = new Map(
  Object.entries(SPELLINGS).flatMap(([field, names]) => names.map((name) => [name, field as Field] as const)),
);

/**
 * Reads a body into fields. Throws a 400 for unknown fields and for two spellings of a field with different values. `null` counts
 * as not given, because several SDKs send it for unset options.
 */
export function readFields(body: unknown): ReadonlyMap<Field, Given> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw invalidRequest('The body must be a JSON object with at least "model" and "prompt".');
  }
  const fields = new Map<Field, Given>();
  for (const [name, value] of Object.entries(body)) {
    const field = FIELD_OF.get(name);
    if (field === undefined || fields.has(field)) return readSorted(body);
    if (value !== null) fields.set(field, { name, value });
  }
  return fields;
}

/** Reads a body with an unknown field or two spellings of one. Sorted, so that the error does not depend on the order of the body. */
function readSorted(body: object): ReadonlyMap<Field, Given> {
  const fields = new Map<Field, Given>();
  const given = Object.entries(body).sort(([a], [b]) => (a < b ? -1 : 1));
  const unknown = given.map(([name]) => name).filter((name) => !FIELD_OF.has(name));
  if (unknown.length > 0) throw unknownFields(unknown, [...FIELD_OF.keys()]);
  for (const [name, value] of given) {
    const field = FIELD_OF.get(name);
    if (!field || value === null) continue;
    const other = fields.get(field);
    if (!other) fields.set(field, { name, value });
    else if (!sameValue(field, other.value, value)) {
      throw invalidRequest(`${other.name} and ${name} mean the same but differ; send one of them.`, name);
    }
  }
  return fields;
}

function sameValue(field: Field, a: unknown, b: unknown): boolean {
  if (field === 'duration' && isScalar(a) && isScalar(b)) return Number(a) === Number(b);
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
  }
  return Object.is(a, b);
}

const isScalar = (value: unknown): value is string | number =>
  typeof value === 'string' || typeof value === 'number';
