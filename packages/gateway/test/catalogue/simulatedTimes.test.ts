import { UPSTREAMS } from '@onetake/simulators';
import { expect, it } from 'vitest';
import { builtIn } from './builtIn.ts';

/** The simulators of each provider, if they have other names. */
const SIMULATORS: Readonly<Record<string, readonly string[]>> = {
  openai: ['openai', 'azure'],
  google: ['gemini', 'vertex'],
  ark: ['ark', 'ark-byteplus'],
};

const models = builtIn.list().filter(({ provider }) => provider !== 'preview');

it.each(models.map((model) => [model.id, model] as const))(
  'a simulated upstream takes as long for %s as the catalogue says',
  (_id, { provider, typical, ...model }) => {
    const names = [
      model.upstreamModel,
      ...Object.values(model.services).flatMap(({ upstreamModel }) => upstreamModel ?? []),
    ];
    const paces = UPSTREAMS.filter(({ name }) => (SIMULATORS[provider] ?? [provider]).includes(name))
      .flatMap(({ paceOf }) => names.map(paceOf))
      .filter((pace) => pace !== undefined);
    expect(paces.length).toBeGreaterThan(0);
    for (const { medianMs, p90Ms } of paces) {
      expect({ medianSeconds: medianMs / 1000, p90Seconds: p90Ms / 1000 }).toEqual(typical);
    }
  },
);
