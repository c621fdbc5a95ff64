import { z } from 'zod';
import { ASPECT_RATIOS, REFERENCE_TYPES, RESOLUTIONS } from '../tasks/request.ts';
import { PARAMETERS } from './fields.ts';
import { type BuiltInProvider, PROTOCOLS } from './providerInfo.ts';
import { isSize, type Size } from './size.ts';

/** The formats of files that references may have. */
export const REFERENCE_FORMATS = ['png', 'jpeg', 'webp', 'mp4', 'mov', 'webm', 'wav', 'mp3'] as const;

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

/** `-1` lets the upstream decide. What is held covers the longest duration. */
const auto = z.literal(true).optional();

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

/** A flag may have no default. If it is not given, it is not sent, and the upstream decides. */
const OptionalFlag = Flag.partial({ default: true });

/** Free text. `appendToPrompt`: the upstream has no such parameter, so the text is appended to the prompt. */
const Text = z.strictObject({
  kind: z.literal('text'),
  maxLength: z.int().positive(),
  appendToPrompt: z.literal(true).optional(),
});

/** Where a fact is published, and when it was last compared with that. */
const Source = z.strictObject({ url: z.url(), checked: isoDate });

/** What an upstream demands of a reference. Sides and pixels are those of an image or of the picture of a video. */
const ReferenceLimits = z.strictObject({
  formats: z.array(z.enum(REFERENCE_FORMATS)).min(1).optional(),
  maxBytes: z.int().positive().optional(),
  minSide: z.int().positive().optional(),
  maxSide: z.int().positive().optional(),
  /** Width divided by height. */
  minRatio: z.number().positive().optional(),
  maxRatio: z.number().positive().optional(),
  minPixels: z.int().positive().optional(),
  maxPixels: z.int().positive().optional(),
  /** Frames a second. */
  minFps: z.number().positive().optional(),
  maxFps: z.number().positive().optional(),
  minSeconds: z.number().positive().optional(),
  maxSeconds: z.number().positive().optional(),
  /** Of all references of the type together. */
  totalSeconds: z.number().positive().optional(),
  /** `false`: no pixel of an image may be transparent. */
  transparency: z.literal(false).optional(),
  /** The upstream fetches it itself, so only a public link will do. */
  by: z.literal('url').optional(),
  source: Source.optional(),
});

/** The formats that a request may carry an image in. */
export const IMAGE_FORMATS = [
  'jpeg',
  'png',
  'webp',
] as const satisfies readonly (typeof REFERENCE_FORMATS)[number][];

/** What an upstream demands of a frame. An image that breaks a limit is refused, or fitted if the caller wants that. */
const ImageLimits = z.strictObject({
  ...ReferenceLimits.pick({
    maxBytes: true,
    minSide: true,
    maxSide: true,
    minRatio: true,
    maxRatio: true,
    transparency: true,
    by: true,
  }).shape,
  formats: z.array(z.enum(IMAGE_FORMATS)).min(1).optional(),
  /** Exactly the size of the video. */
  size: z.literal('video').optional(),
  source: Source,
});

const Image = z.strictObject({ kind: z.literal('image'), limits: ImageLimits.optional() });

/** Name of a role. Common ones are `source`, the video to edit, and `first_clip`, the video to continue. */
const role = z.string().regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be a word such as first_clip');

/** A kind of reference that a model takes. */
const ReferenceKind = z.strictObject({
  type: z.enum(REFERENCE_TYPES),
  /** Without one, references without a role. */
  role: role.optional(),
  max: z.int().positive(),
  /** The video becomes as long as this reference, whatever `duration` says. */
  setsDuration: z.literal(true).optional(),
  /** Only beside a reference of one of these types. */
  with: z.array(z.enum(REFERENCE_TYPES)).min(1).optional(),
  limits: ReferenceLimits.optional(),
});

const References = z.strictObject({
  kind: z.literal('references'),
  /** Of all kinds together. */
  max: z.int().positive().optional(),
  takes: z.array(ReferenceKind).min(1),
});

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
  duration: z.discriminatedUnion('kind', [
    Numbers.extend({ auto }),
    Range.required({ default: true }).extend({ auto }),
  ]),
  resolution: choiceOf(z.enum(RESOLUTIONS)),
  aspectRatio: choiceOf(z.enum(ASPECT_RATIOS)),
  negativePrompt: Text.omit({ appendToPrompt: true }).optional(),
  image: Image.optional(),
  lastFrame: Image.optional(),
  references: References.optional(),
  videoUrl: Url.optional(),
  generateAudio: Flag.optional(),
  seed: Range.optional(),
  style: Text.optional(),
  cameraFixed: OptionalFlag.optional(),
  watermark: OptionalFlag.optional(),
  promptExtend: OptionalFlag.optional(),
  personGeneration: Choice.optional(),
});

/** A condition on a request. */
const Condition = z.union([
  z.strictObject({
    parameter: z.enum(PARAMETERS),
    given: z.boolean(),
    /** Of `references` only: those of a type, those with a role. Null: those without a role. */
    type: z.enum(REFERENCE_TYPES).optional(),
    role: role.nullable().optional(),
  }),
  z.strictObject({ parameter: z.enum(PARAMETERS), in: z.array(value).min(1) }),
]);

/** A requirement that applies always or under a condition, or a note for the caller under a condition. */
const Rule = z.union([
  z.strictObject({ when: Condition.optional(), require: Condition }),
  z.strictObject({ when: Condition, note: z.string().min(1) }),
]);

/** How a model wants a number of seconds: `5`, `"5"` or `"5s"`. */
const DURATION_FORMS = ['number', 'text', 'seconds'] as const;

/** How a model spells an input; `false`: it has no such input, because it allows one value only. */
const Input = z.union([
  z.literal(false),
  z.strictObject({
    /** Its name. By default that of the parameter on the wire. */
    name: z
      .string()
      .regex(/^\w{1,64}$/, 'must be the name of an input')
      .optional(),
    /** Of `duration` only. */
    form: z.enum(DURATION_FORMS).optional(),
    /** It is left out if this parameter is given. */
    unless: z.enum(PARAMETERS).optional(),
  }),
]);

/** A line of the price table. The first one whose members all match the upstream request and its service applies. */
const Rate = z.strictObject({
  service: z.string().optional(),
  resolution: z.enum(RESOLUTIONS).optional(),
  size: z.custom<Size>(isSize, { error: 'must be like 1280x720, both numbers even' }).optional(),
  generateAudio: z.boolean().optional(),
  /** Whether a video is among the references. */
  withVideo: z.boolean().optional(),
  microsPerSecond: z.int().min(0),
  /** Added once, whatever the duration. */
  microsPerVideo: z.int().min(0).optional(),
  /** If the upstream reports the tokens that it bills, they are charged, and not the seconds. */
  microsPerToken: z.number().positive().optional(),
});

/** A model at one of the services or regions of its provider. */
const Service = z.strictObject({
  /** The service's name of the model, if it differs from `upstreamModel`. */
  upstreamModel: z.string().min(1).optional(),
  /** `date`: the first day, in UTC, on which the service no longer has the model. `successors`: catalogue ids to use instead. */
  end: z
    .strictObject({ date: isoDate, reason: z.string().min(1), successors: z.array(z.string()).min(1) })
    .optional(),
  source: Source.optional(),
});

const sizeList = z
  .array(z.custom<Size>(isSize, { error: 'must be like 1280x720, both numbers even' }))
  .min(1);

/** An entry of the catalogue: everything that is specific to a model. */
export const ModelSchema = z.strictObject({
  id: z.string().regex(/^[\w.:-]{1,128}$/, 'may hold letters, digits and . : _ - only'),
  /** Other ids of this model, such as dated and regional names of the upstream. */
  aliases: z.array(z.string()).default([]),
  title: z.string().min(1),
  /** Models of one maker and line. If a model does not take a parameter, the error suggests others of its family first. */
  family: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,31}$/, 'must be a word in small letters such as kling'),
  /** The id of the adapter. */
  provider: z.string().min(1),
  /** The release date. */
  released: isoDate,
  /** The upstream's name of the model. */
  upstreamModel: z.string().min(1),
  /** Upstream names for certain requests, because an upstream may have one model for text and another for images. The first match applies. */
  upstreamModels: z.array(z.strictObject({ when: Condition, upstreamModel: z.string().min(1) })).default([]),
  /** Which of its provider's protocols makes it, where there are several: Google has one for Gemini Omni besides that of Veo. */
  protocol: z.enum(PROTOCOLS).optional(),
  /** The services or regions of the provider that have or had the model; empty: all of them have it. */
  services: z.record(z.string(), Service).default({}),
  /** Set if the upstream retired the model `from`; `upstreamModel` is its successor. */
  redirect: z.strictObject({ from: z.string(), since: isoDate, reason: z.string() }).optional(),
  /** `url`: the answer for a finished task contains a link; `download`: clients use the download endpoint. */
  delivery: z.enum(['url', 'download']),
  /** Characters. */
  promptMaxLength: z.int().positive(),
  parameters: Parameters,
  /**
   * Inputs that this model spells otherwise than the provider's other models. Only for providers that host models of many makers, each with
   * inputs of its own.
   */
  inputs: z.partialRecord(z.enum(PARAMETERS), Input).default({}),
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
    /** Input images cost `microsEach`, except for the first `free`. First and last frames count. */
    images: z.strictObject({ free: z.int().min(0), microsEach: z.int().positive() }).optional(),
    /** Seconds of reference videos cost as much as those of the result. */
    videos: z
      .strictObject({
        /** Of all together, only so many. */
        most: z.number().positive().optional(),
        /** At least this part of the duration of the result, rounded up. */
        leastOfResult: z.number().positive().optional(),
      })
      .optional(),
    billing: z.string(),
    sources: z.array(Source).default([]),
  }),
  /**
   * How long the upstream takes from the submission of a job to its end, its queue included: the median and the 90th percentile. For polls and
   * `eta`, until the gateway has seen how long jobs really take.
   */
  typical: z.strictObject({ medianSeconds: z.number().positive(), p90Seconds: z.number().positive() }),
  /** Until when the upstream can cancel a task. */
  cancel: z.enum(['queued', 'running', 'none']),
  notes: z.array(z.string()).default([]),
});

/** A valid entry, and what else is known of the model. */
export type Model = Entry & {
  /** The provider's name for people. */
  readonly providerTitle: string;
};
type Entry = Readonly<z.output<typeof ModelSchema>>;
/** A built-in entry as written, where members with a default are optional. */
export type ModelEntry = Omit<z.input<typeof ModelSchema>, 'provider' | 'services' | 'price'> & {
  readonly provider: BuiltInProvider;
  readonly price: z.input<typeof ModelSchema>['price'] & { readonly sources: SourceSpec[] };
  readonly services: Readonly<Record<string, ServiceEntry>>;
};
/** A service of a built-in entry, whose source is known. */
export type ServiceEntry = z.input<typeof Service> & { readonly source: SourceSpec };
export type SourceSpec = z.output<typeof Source>;
export type RateSpec = z.output<typeof Rate>;
export type ServiceSpec = z.output<typeof Service>;
export type ReferencesSpec = z.output<typeof References>;
export type ReferenceKindSpec = z.output<typeof ReferenceKind>;
export type ReferenceLimits = z.output<typeof ReferenceLimits>;
export type ImageLimits = z.output<typeof ImageLimits>;
export type ImageFormat = (typeof IMAGE_FORMATS)[number];
export type ReferenceFormat = (typeof REFERENCE_FORMATS)[number];
export type ParameterSpec = NonNullable<Model['parameters'][keyof Model['parameters']]>;
export type RuleSpec = z.output<typeof Rule>;
export type ConditionSpec = z.output<typeof Condition>;
