import { z } from 'zod';

/** What a tool needs of a model of `GET /v1/models`, which tells more. */
const Model = z.looseObject({
  id: z.string(),
  title: z.string(),
  available: z.boolean(),
  parameters: z.record(z.string(), z.record(z.string(), z.unknown())),
  sizes: z.array(z.string()),
  price: z.looseObject({
    currency: z.string(),
    rates: z.array(z.looseObject({ per_second: z.number() })),
  }),
  typical_seconds: z.looseObject({ median: z.number() }),
});

/** A model in a few words: a list of sixty whole entries would fill the context of an agent. */
export const ModelOutput = z.object({
  id: z.string(),
  title: z.string(),
  available: z.boolean().describe('Whether this installation has an account for it'),
  durations: z.unknown().describe('Seconds: those allowed, or the least and the most'),
  resolutions: z.unknown(),
  takes: z.array(z.string()).describe('Further parameters of generate_video that it takes'),
  price_per_second: z.array(z.number()).describe('The least and the most, by resolution and sound'),
  currency: z.string(),
  typical_seconds: z.number().describe('Half of all videos are done within this time'),
});

const ALWAYS = ['model', 'prompt', 'duration', 'resolution'];

/** The models of an answer, in a few words each. Entries that cannot be read are left out. */
export function briefModels(data: unknown, onlyAvailable: boolean): z.output<typeof ModelOutput>[] {
  const entries = Array.isArray(data) ? data : [];
  return entries.flatMap((entry) => {
    const { data: model } = Model.safeParse(entry);
    return model && (model.available || !onlyAvailable) ? [brief(model)] : [];
  });
}

function brief(model: z.output<typeof Model>): z.output<typeof ModelOutput> {
  const { duration, resolution, ...others } = model.parameters;
  const prices = model.price.rates.map(({ per_second: price }) => price);
  return {
    id: model.id,
    title: model.title,
    available: model.available,
    durations: duration?.allowed ?? [duration?.minimum, duration?.maximum],
    resolutions: resolution?.allowed ?? model.sizes,
    takes: Object.keys(others).filter((name) => !ALWAYS.includes(name)),
    price_per_second: prices.length > 0 ? [Math.min(...prices), Math.max(...prices)] : [],
    currency: model.price.currency,
    typical_seconds: model.typical_seconds.median,
  };
}
