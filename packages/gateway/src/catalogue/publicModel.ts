import { z } from 'zod';
import { MICROS } from '../tasks/money.ts';
import { REFERENCE_TYPES } from '../tasks/request.ts';
import { PARAMETERS, SPELLINGS } from './fields.ts';
import {
  IMAGE_FORMATS,
  type ImageLimits,
  type Model,
  type ParameterSpec,
  type ServiceSpec,
} from './model.ts';
import { isFree } from './pricing.ts';
import { serviceTitle } from './providerInfo.ts';
import { kindOf, limitsText } from './references.ts';
import { shapesOf, sizeText } from './sizes.ts';
import { redirectNotes } from './upstream.ts';
import { AUTO_DURATION } from './validate/parameter.ts';
import { takesSource } from './validate/references.ts';
import { ruleText } from './validate/rules.ts';

const word = z.union([z.string(), z.number(), z.boolean()]);

const PublicLimits = z
  .object({
    size: z.literal('video').optional().describe('It must have exactly the size of the video'),
    min_side: z.int().optional(),
    max_side: z.int().optional().describe('Pixels'),
    min_ratio: z.number().optional(),
    max_ratio: z.number().optional().describe('Width divided by height'),
    max_bytes: z.int().optional(),
    formats: z.array(z.enum(IMAGE_FORMATS)).optional(),
    transparency: z.literal(false).optional().describe('No pixel may be transparent'),
    by: z.literal('url').optional().describe('Only by a public https URL, which the provider fetches'),
    source: z.string(),
    checked: z.string(),
  })
  .describe('What the provider demands of an image; see `image_fit`. Without: no limits are known');

const PublicParameter = z.object({
  type: z.enum(['string', 'integer', 'boolean', 'image', 'images', 'references', 'url']),
  aliases: z.array(z.string()),
  allowed: z.array(word).optional(),
  minimum: z.int().optional(),
  maximum: z.int().optional(),
  max_length: z.int().optional(),
  max_items: z.int().optional(),
  takes: z
    .array(
      z.object({
        type: z.enum(REFERENCE_TYPES),
        role: z.string().optional(),
        max_items: z.int(),
        limits: z.string().optional().describe('What is demanded of each, in words'),
      }),
    )
    .optional()
    .describe('Kinds of references'),
  default: word.optional(),
  limits: PublicLimits.optional(),
  auto: z.literal(-1).optional().describe('This value lets the model decide; the longest duration is held'),
  of: z
    .enum(['any', 'own'])
    .optional()
    .describe('`own`: a finished video of this gateway, named by its task id or link'),
  rounds_to: z
    .record(z.string(), word)
    .optional()
    .describe('Accepted values that the upstream does not support, and the values used instead'),
});

/** A model as `GET /v1/models` shows it: the members that OpenAI's SDKs expect, and our own. */
export const PublicModel = z.object({
  id: z.string(),
  object: z.literal('model'),
  created: z.int().describe('Unix seconds of the release'),
  owned_by: z.string(),
  title: z.string(),
  family: z.string(),
  provider: z.string(),
  aliases: z.array(z.string()),
  available: z.boolean().describe('Whether this installation has an account for it'),
  delivery: z
    .enum(['url', 'download'])
    .describe('`url`: the answer for a finished task contains a link; `download`: use the download endpoint'),
  services: z
    .array(
      z.object({
        id: z.string(),
        title: z.string(),
        until: z.string().optional().describe('The first day without the model, in UTC'),
        reason: z.string().optional(),
        successors: z.array(z.string()).optional().describe('Models to use instead'),
        source: z.string().optional(),
        checked: z.string().optional(),
      }),
    )
    .describe(
      'The services and regions of the provider that have or had the model; empty: all of them have it',
    ),
  parameters: z.record(z.string(), PublicParameter),
  sizes: z.array(z.string()),
  rules: z.array(z.string()).describe('Dependencies between parameters'),
  price: z.object({
    currency: z.string(),
    free: z.boolean(),
    billing: z.string(),
    rates: z.array(
      z.object({
        service: z.string().optional(),
        resolution: z.string().optional(),
        size: z.string().optional(),
        generate_audio: z.boolean().optional(),
        with_video: z.boolean().optional().describe('Whether a video is among the references'),
        per_second: z.number(),
        micros_per_second: z.int(),
        micros_per_video: z.int().optional().describe('Added once, whatever the duration'),
        micros_per_token: z
          .number()
          .optional()
          .describe('Charged instead, for the tokens that the provider reports, up to what is held'),
      }),
    ),
    images: z
      .object({ free: z.int(), micros_each: z.int() })
      .optional()
      .describe(
        'Input images, first and last frames included, cost this much each, except for the first ones',
      ),
    videos: z
      .object({ most_seconds: z.number().optional(), least_of_result: z.number().optional() })
      .optional()
      .describe(
        'Seconds of reference videos cost as much as those of the result: at most so many, and at least this part of the duration of the result, rounded up',
      ),
    sources: z.array(z.object({ url: z.string(), checked: z.string() })),
  }),
  typical_seconds: z
    .object({ median: z.number(), p90: z.number() })
    .describe(
      'From the submission upstream to the end there, with the time in its queue: half of all jobs, and nine of ten, take at most this',
    ),
  cancel: z.enum(['queued', 'running', 'none']).describe('Until when the upstream can cancel a task'),
  notes: z.array(z.string()),
});
export type PublicModel = z.output<typeof PublicModel>;

/** Converts a catalogue entry to its public form. */
export function publicModel(model: Model, available: boolean): PublicModel {
  const { price } = model;
  return {
    id: model.id,
    object: 'model',
    created: Date.parse(model.released) / 1000,
    owned_by: model.providerTitle,
    title: model.title,
    family: model.family,
    provider: model.provider,
    aliases: [...model.aliases],
    available,
    delivery: model.delivery,
    services: Object.entries(model.services).map(publicService(model)),
    parameters: {
      model: { type: 'string', aliases: [] },
      prompt: { type: 'string', aliases: [], max_length: model.promptMaxLength },
      ...Object.fromEntries(
        PARAMETERS.flatMap((parameter) => {
          const spec = model.parameters[parameter];
          if (!spec) return [];
          const [name, ...aliases] = SPELLINGS[parameter];
          return [[name, { ...publicParameter(spec), aliases }] as const];
        }),
      ),
      ...shortForm(model),
    },
    sizes: [...new Set(shapesOf(model).map(sizeText))],
    rules: model.rules.map(ruleText),
    price: {
      currency: price.currency,
      free: isFree(model),
      billing: price.billing,
      rates: price.rates.map(
        ({ microsPerSecond, microsPerVideo, microsPerToken, generateAudio, withVideo, ...when }) => ({
          ...when,
          ...(generateAudio === undefined ? {} : { generate_audio: generateAudio }),
          ...(withVideo === undefined ? {} : { with_video: withVideo }),
          per_second: microsPerSecond / MICROS,
          micros_per_second: microsPerSecond,
          ...(microsPerVideo === undefined ? {} : { micros_per_video: microsPerVideo }),
          ...(microsPerToken === undefined ? {} : { micros_per_token: microsPerToken }),
        }),
      ),
      ...(price.images ? { images: { free: price.images.free, micros_each: price.images.microsEach } } : {}),
      ...(price.videos ? { videos: publicVideos(price.videos) } : {}),
      sources: price.sources,
    },
    typical_seconds: { median: model.typical.medianSeconds, p90: model.typical.p90Seconds },
    cancel: model.cancel,
    notes: [...redirectNotes(model), ...model.notes],
  };
}

/** `reference_images`, for references that are images without a role, and `video_url`, for a video to edit. */
function shortForm(model: Model): PublicModel['parameters'] {
  const kind = kindOf(model.parameters.references, { type: 'image' });
  const [name, ...aliases] = SPELLINGS.referenceImages;
  const [source, ...others] = SPELLINGS.videoUrl;
  return {
    ...(kind ? { [name]: { type: 'images', aliases, max_items: kind.max } } : {}),
    ...(takesSource(model) ? { [source]: { type: 'url', aliases: others, of: 'any' } } : {}),
  };
}

const publicVideos = ({ most, leastOfResult }: NonNullable<Model['price']['videos']>) => ({
  ...(most === undefined ? {} : { most_seconds: most }),
  ...(leastOfResult === undefined ? {} : { least_of_result: leastOfResult }),
});

const publicService =
  ({ provider }: Model) =>
  ([id, { end, source }]: [string, ServiceSpec]): PublicModel['services'][number] => ({
    id,
    title: serviceTitle(provider, id),
    ...(end ? { until: end.date, reason: end.reason, successors: end.successors } : {}),
    ...(source ? { source: source.url, checked: source.checked } : {}),
  });

const publicAuto = (spec: object) => ('auto' in spec ? { auto: AUTO_DURATION } : {});

function publicParameter(spec: ParameterSpec): Omit<z.output<typeof PublicParameter>, 'aliases'> {
  const fallback = 'default' in spec && spec.default !== undefined ? { default: spec.default } : {};
  const rounding = 'roundsTo' in spec && spec.roundsTo ? { rounds_to: spec.roundsTo } : {};
  switch (spec.kind) {
    case 'choice':
      return { type: 'string', allowed: [...spec.allowed], ...fallback, ...rounding };
    case 'numbers':
      return { type: 'integer', allowed: [...spec.allowed], ...fallback, ...rounding, ...publicAuto(spec) };
    case 'range':
      return { type: 'integer', minimum: spec.min, maximum: spec.max, ...fallback, ...publicAuto(spec) };
    case 'flag':
      return { type: 'boolean', allowed: [...spec.allowed], ...fallback };
    case 'text':
      return { type: 'string', max_length: spec.maxLength };
    case 'references':
      return {
        type: 'references',
        ...(spec.max === undefined ? {} : { max_items: spec.max }),
        takes: spec.takes.map((kind) => {
          const limits = limitsText(kind);
          return {
            type: kind.type,
            ...(kind.role === undefined ? {} : { role: kind.role }),
            max_items: kind.max,
            ...(limits === '' ? {} : { limits }),
          };
        }),
      };
    case 'image':
      return { type: 'image', ...publicLimits(spec.limits) };
    case 'url':
      return { type: 'url', of: spec.of };
  }
}

function publicLimits(given: ImageLimits | undefined): { limits?: z.output<typeof PublicLimits> } {
  if (!given) return {};
  const { minSide, maxSide, minRatio, maxRatio, maxBytes, source, ...rest } = given;
  const named = {
    min_side: minSide,
    max_side: maxSide,
    min_ratio: minRatio,
    max_ratio: maxRatio,
    max_bytes: maxBytes,
  };
  return { limits: { ...rest, ...named, source: source.url, checked: source.checked } };
}
