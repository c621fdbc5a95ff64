import { z } from 'zod';
import { ASPECT_RATIOS, RESOLUTIONS } from '../tasks/request.ts';
import { PARAMETERS } from './fields.ts';
import { isSize, type Size } from './size.ts';

const isoDate = z.iso.date();
const value = z.union([z.string(), z.number(), z.boolean()]);

/** One of a list of words. `roundsTo`: accepted values that the upstream does not take, and what is sent in their place. */
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

/** A word without a default is left to the upstream unless it is given. */
const Choice = z.strictObject({ kind: z.literal('choice'), allowed: z.array(z.string()).min(1) });

const Flag = z.strictObject({
  kind: z.literal('flag'),
  allowed: z.array(z.boolean()).min(1).max(2),
  default: z.boolean(),
});

/** Free text. `appendToPrompt`: the upstream has no such parameter, so its words are put behind the prompt. */
const Text = z.strictObject({
  kind: z.literal('text'),
  maxLength: z.int().positive(),
  appendToPrompt: z.literal(true).optional(),
});

const Image = z.strictObject({ kind: z.literal('image') });
const Images = z.strictObject({ kind: z.literal('images'), max: z.int().positive() });
/** What a video has of the one that it was made from, whatever was asked for. */
const KEEPABLE = ['model', 'shape', 'duration'] as const;

/** A source video. */
const Url = z.strictObject({
  kind: z.literal('url'),
  /** `own`: the upstream starts from videos of its own alone, so it must be one that was made through this gateway. */
  of: z.enum(['any', 'own']).default('any'),
  /** What the new video has of an own source. */
  keeps: z.array(z.enum(KEEPABLE)).default([]),
  /** The provider option with which the source goes on instead of being made anew: `duration` is what is added then. */
  extendsWith: z.strictObject({ option: z.string(), value: z.string() }).optional(),
});

/** What a model takes of each unified parameter; one that is absent is refused. */
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

/** Something that is true of a request or not. */
const Condition = z.union([
  z.strictObject({ parameter: z.enum(PARAMETERS), given: z.boolean() }),
  z.strictObject({ parameter: z.enum(PARAMETERS), in: z.array(value).min(1) }),
]);

/** What must hold (always, or when something else does), or what the caller is told then. */
const Rule = z.union([
  z.strictObject({ when: Condition.optional(), require: Condition }),
  z.strictObject({ when: Condition, note: z.string().min(1) }),
]);

/** One price; the first whose members all match what goes upstream counts. */
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

/** An entry of the catalogue: everything that is particular to one model. */
export const ModelSchema = z.strictObject({
  id: z.string().regex(/^[\w.:-]{1,128}$/, 'may hold letters, digits and . : _ - only'),
  /** More ids that mean this model: dated and regional names of the upstream. */
  aliases: z.array(z.string()).default([]),
  title: z.string().min(1),
  family: z.enum(['sora', 'veo', 'wanxiang', 'seedance', 'grok', 'hailuo', 'preview']),
  /** Which adapter serves it. */
  provider: z.string().min(1),
  /** When the model came out. */
  released: isoDate,
  /** What the upstream calls it. */
  upstreamModel: z.string().min(1),
  /** Upstream names for particular requests: an upstream may have a model for text and another for images. First match. */
  upstreamModels: z.array(z.strictObject({ when: Condition, upstreamModel: z.string().min(1) })).default([]),
  /** Upstream names in other regions of the provider, by region. */
  upstreamModelByRegion: z.record(z.string(), z.string().min(1)).default({}),
  /** The upstream gave up the model of this name; `upstreamModel` is its living successor. */
  redirect: z.strictObject({ from: z.string(), since: isoDate, reason: z.string() }).optional(),
  /** `url`: a finished task answers with a link; `download`: with the download endpoint alone. */
  delivery: z.enum(['url', 'download']),
  /** Characters. */
  promptMaxLength: z.int().positive(),
  parameters: Parameters,
  rules: z.array(Rule).default([]),
  /**
   * Where the upstream's own pixel sizes differ from the standard ones. The first of a list is what resolution and ratio
   * mean; the others are reached by `size`.
   */
  sizes: z.partialRecord(z.enum(RESOLUTIONS), z.partialRecord(z.enum(ASPECT_RATIOS), sizeList)).optional(),
  price: z.strictObject({
    /** ISO 4217. */
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as USD'),
    rates: z.array(Rate).min(1),
    billing: z.string(),
  }),
  /** How long the upstream takes, for the first questions and the eta: half are done by the median, nine in ten by p90. */
  typical: z.strictObject({ medianSeconds: z.number().positive(), p90Seconds: z.number().positive() }),
  /** Until when the upstream can stop a task. */
  cancel: z.enum(['queued', 'running', 'none']),
  lifecycle: Lifecycle.default({ state: 'active' }),
  notes: z.array(z.string()).default([]),
});

export type Model = Readonly<z.output<typeof ModelSchema>>;
/** An entry as written: members that have a default may be left out. */
export type ModelEntry = z.input<typeof ModelSchema>;
export type ParameterSpec = NonNullable<Model['parameters'][keyof Model['parameters']]>;
export type RuleSpec = z.output<typeof Rule>;
export type ConditionSpec = z.output<typeof Condition>;
