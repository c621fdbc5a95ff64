import { z } from 'zod';
import { ASPECT_RATIOS, RESOLUTIONS } from '../tasks/request.ts';
import { PARAMETERS } from './fields.ts';
import type { BuiltInProvider } from './providerInfo.ts';
import { isSize, type Size } from './size.ts';

const isoDate = z.iso.date();
const value = z.union([z.string(), z.number(), z.boolean()]);

/** One of a list of words. `roundsTo` maps accepted values that the upstream does not support to those sent instead. */
const choiceOf = <T extends z.ZodType<string>>(word: T) =>
  z.strictObject({
    kind: z.literal('choice'),
    allowed: z.array(word).min(1),
    default: word,
    roundsTo: z.record(z.string(), word).optional(),
  });

const Numbers = z.strictObject({
  kind: z.literal('numbers'),
  allowed: z.array(z.int()).min(1),
  default: z.int(),
  roundsTo: z.record(z.string(), z.int()).optional(),
});

/** Any whole number from `min` to `max`, both included. */
const Range = z.strictObject({
  kind: z.literal('range'),
  min: z.int(),
  max: z.int(),
  default: z.int().optional(),
});

/** One of a list of words without a default. If it is not given, the upstream decides. */
const Choice = z.strictObject({ kind: z.literal('choice'), allowed: z.array(z.string()).min(1) });

const Flag = z.strictObject({
  kind: z.literal('flag'),
  allowed: z.array(z.boolean()).min(1).max(2),
  default: z.boolean(),
});

/** Free text. `appendToPrompt`: the upstream has no such parameter, so the text is appended to the prompt. */
const Text = z.strictObject({
  kind: z.literal('text'),
  maxLength: z.int().positive(),
  appendToPrompt: z.literal(true).optional(),
});

const Image = z.strictObject({ kind: z.literal('image') });
const Images = z.strictObject({ kind: z.literal('images'), max: z.int().positive() });
/** Properties that a video can keep from its source, whatever the request says. */
const KEEPABLE = ['model', 'shape', 'duration'] as const;

/** A source video. */
const Url = z.strictObject({
  kind: z.literal('url'),
  /** `own`: the upstream only accepts its own videos, so the source must have been made through this gateway. */
  of: z.enum(['any', 'own']).default('any'),
  /** Properties that the new video keeps from an `own` source. */
  keeps: z.array(z.enum(KEEPABLE)).default([]),
  /** The provider option that extends the source instead of remixing it. `duration` is then the duration added. */
  extendsWith: z.strictObject({ option: z.string(), value: z.string() }).optional(),
});

/** The unified parameters that a model accepts. One that is absent is refused. */
const Parameters = z.strictObject({
  duration: z.discriminatedUnion('kind', [Numbers, Range.required({ default: true })]),
  resolution: choiceOf(z.enum(RESOLUTIONS)),
  aspectRatio: choiceOf(z.enum(ASPECT_RATIOS)),
  negativePrompt: Text.optional(),
  image: Image.optional(),
  lastFrame: Image.optional(),
  referenceImages: Images.optional(),
  videoUrl: Url.optional(),
  generateAudio: Flag.optional(),
  seed: Range.optional(),
  style: Text.optional(),
  cameraFixed: Flag.optional(),
  watermark: Flag.optional(),
  promptExtend: Flag.optional(),
  personGeneration: Choice.optional(),
});

/** A condition on a request. */
const Condition = z.union([
  z.strictObject({ parameter: z.enum(PARAMETERS), given: z.boolean() }),
  z.strictObject({ parameter: z.enum(PARAMETERS), in: z.array(value).min(1) }),
]);

/** A requirement that applies always or under a condition, or a note for the caller under a condition. */
const Rule = z.union([
  z.strictObject({ when: Condition.optional(), require: Condition }),
  z.strictObject({ when: Condition, note: z.string().min(1) }),
]);

/** A price. The first one whose members all match the upstream request applies. */
const Rate = z.strictObject({
  resolution: z.enum(RESOLUTIONS).optional(),
  size: z.custom<Size>(isSize, { error: 'must be like 1280x720, both numbers even' }).optional(),
  generateAudio: z.boolean().optional(),
  microsPerSecond: z.int().min(0),
});

const Lifecycle = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('active') }),
  z.strictObject({
    state: z.literal('retired'),
    since: isoDate,
    reason: z.string(),
    alternatives: z.array(z.string()).min(1),
  }),
]);

const sizeList = z
  .array(z.custom<Size>(isSize, { error: 'must be like 1280x720, both numbers even' }))
  .min(1);

/** An entry of the catalogue: everything that is specific to a model. */
export const ModelSchema = z.strictObject({
  id: z.string().regex(/^[\w.:-]{1,128}$/, 'may hold letters, digits and . : _ - only'),
  /** Other ids of this model, such as dated and regional names of the upstream. */
  aliases: z.array(z.string()).default([]),
  title: z.string().min(1),
  family: z.enum(['sora', 'veo', 'wanxiang', 'seedance', 'grok', 'hailuo', 'preview']),
  /** The id of the adapter. */
  provider: z.string().min(1),
  /** The release date. */
  released: isoDate,
  /** The upstream's name of the model. */
  upstreamModel: z.string().min(1),
  /** Upstream names for certain requests, because an upstream may have one model for text and another for images. The first match applies. */
  upstreamModels: z.array(z.strictObject({ when: Condition, upstreamModel: z.string().min(1) })).default([]),
  /** Upstream names in certain regions of the provider, by region. */
  upstreamModelByRegion: z.record(z.string(), z.string().min(1)).default({}),
  /** Set if the upstream retired the model `from`; `upstreamModel` is its successor. */
  redirect: z.strictObject({ from: z.string(), since: isoDate, reason: z.string() }).optional(),
  /** `url`: the answer for a finished task contains a link; `download`: clients use the download endpoint. */
  delivery: z.enum(['url', 'download']),
  /** Characters. */
  promptMaxLength: z.int().positive(),
  parameters: Parameters,
  rules: z.array(Rule).default([]),
  /**
   * Pixel sizes of the upstream that differ from the standard ones. The first of a list is the one for resolution and ratio; the
   * others are available through `size`.
   */
  sizes: z.partialRecord(z.enum(RESOLUTIONS), z.partialRecord(z.enum(ASPECT_RATIOS), sizeList)).optional(),
  price: z.strictObject({
    /** ISO 4217. */
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as USD'),
    rates: z.array(Rate).min(1),
    billing: z.string(),
  }),
  /**
   * How long the upstream takes from the submission of a job to its end, its queue included: the median and the 90th percentile. For polls and
   * `eta`, until the gateway has seen how long jobs really take.
   */
  typical: z.strictObject({ medianSeconds: z.number().positive(), p90Seconds: z.number().positive() }),
  /** Until when the upstream can cancel a task. */
  cancel: z.enum(['queued', 'running', 'none']),
  lifecycle: Lifecycle.default({ state: 'active' }),
  notes: z.array(z.string()).default([]),
});

export type Model = Readonly<z.output<typeof ModelSchema>>;
/** A built-in entry as written, where members with a default are optional. */
export type ModelEntry = Omit<z.input<typeof ModelSchema>, 'provider'> & {
  readonly provider: BuiltInProvider;
};
export type ParameterSpec = NonNullable<Model['parameters'][keyof Model['parameters']]>;
export type RuleSpec = z.output<typeof Rule>;
export type ConditionSpec = z.output<typeof Condition>;
