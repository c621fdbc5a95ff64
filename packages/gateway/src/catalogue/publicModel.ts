import { z } from 'zod';
import { MICROS } from '../tasks/money.ts';
import { PARAMETERS, SPELLINGS } from './fields.ts';
import type { Model, ParameterSpec } from './model.ts';
import { isFree } from './pricing.ts';
import { providerTitle } from './providerInfo.ts';
import { shapesOf, sizeText } from './sizes.ts';
import { redirectNotes } from './upstream.ts';
import { ruleText } from './validate/rules.ts';

const word = z.union([z.string(), z.number(), z.boolean()]);

const PublicParameter = z.object({
  type: z.enum(['string', 'integer', 'boolean', 'image', 'images', 'url']),
  aliases: z.array(z.string()),
  allowed: z.array(word).optional(),
  minimum: z.int().optional(),
  maximum: z.int().optional(),
  max_length: z.int().optional(),
  max_items: z.int().optional(),
  default: word.optional(),
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
  lifecycle: z.object({
    state: z.enum(['active', 'retired']),
    since: z.string().optional(),
    reason: z.string().optional(),
    alternatives: z.array(z.string()).optional(),
  }),
  parameters: z.record(z.string(), PublicParameter),
  sizes: z.array(z.string()),
  rules: z.array(z.string()).describe('Dependencies between parameters'),
  price: z.object({
    currency: z.string(),
    free: z.boolean(),
    billing: z.string(),
    rates: z.array(
      z.object({
        resolution: z.string().optional(),
        size: z.string().optional(),
        generate_audio: z.boolean().optional(),
        per_second: z.number(),
        micros_per_second: z.int(),
      }),
    ),
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
  const { price, lifecycle } = model;
  return {
    id: model.id,
    object: 'model',
    created: Date.parse(model.released) / 1000,
    owned_by: providerTitle(model.provider),
    title: model.title,
    family: model.family,
    provider: model.provider,
    aliases: [...model.aliases],
    available,
    delivery: model.delivery,
    lifecycle,
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
    },
    sizes: [...new Set(shapesOf(model).map(sizeText))],
    rules: model.rules.map(ruleText),
    price: {
      currency: price.currency,
      free: isFree(model),
      billing: price.billing,
      rates: price.rates.map(({ microsPerSecond, generateAudio, ...when }) => ({
        ...when,
        ...(generateAudio === undefined ? {} : { generate_audio: generateAudio }),
        per_second: microsPerSecond / MICROS,
        micros_per_second: microsPerSecond,
      })),
    },
    typical_seconds: { median: model.typical.medianSeconds, p90: model.typical.p90Seconds },
    cancel: model.cancel,
    notes: [...redirectNotes(model), ...model.notes],
  };
}

function publicParameter(spec: ParameterSpec): Omit<z.output<typeof PublicParameter>, 'aliases'> {
  const fallback = 'default' in spec && spec.default !== undefined ? { default: spec.default } : {};
  const rounding = 'roundsTo' in spec && spec.roundsTo ? { rounds_to: spec.roundsTo } : {};
  switch (spec.kind) {
    case 'choice':
      return { type: 'string', allowed: [...spec.allowed], ...fallback, ...rounding };
    case 'numbers':
      return { type: 'integer', allowed: [...spec.allowed], ...fallback, ...rounding };
    case 'range':
      return { type: 'integer', minimum: spec.min, maximum: spec.max, ...fallback };
    case 'flag':
      return { type: 'boolean', allowed: [...spec.allowed], ...fallback };
    case 'text':
      return { type: 'string', max_length: spec.maxLength };
    case 'images':
      return { type: 'images', max_items: spec.max };
    case 'image':
      return { type: 'image' };
    case 'url':
      return { type: 'url', of: spec.of };
  }
}
