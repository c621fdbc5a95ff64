import { describe, expect, it } from 'vitest';
import { upstreamModelOf, upstreamRequest } from '../../../src/catalogue/upstream.ts';
import { PACKAGES } from '../../../src/providers/aiSdk/packages.ts';
import { requestsOf } from '../../catalogue/bodies.ts';
import { builtIn } from '../../catalogue/builtIn.ts';
import { sending } from '../../support/sending.ts';
import { NAMES, type Service, soon, starting, startWorld } from './world.ts';

const MODELS = builtIn
  .list()
  .flatMap((model) =>
    NAMES.filter((name) => name === model.provider).map((name) => [model.id, name] as const),
  );

describe('the catalogue promises no parameter that a package drops', () => {
  it.each(MODELS)('%s at %s', async (id, name) => {
    const model = builtIn.get(id);
    if (!model) throw new Error(`no model ${id}`);
    const world = await startWorld(name);
    const requests = requestsOf(model);
    expect(requests.length).toBeGreaterThan(3);
    for (const request of requests) {
      const job = starting(name, {
        ...upstreamRequest(model, request),
        upstreamModel: upstreamModelOf(model, request),
      });
      await world.provider.submit(job, sending(soon()));
    }
    expect(world.log.filter((line) => line.includes('upstream.parameter_dropped'))).toEqual([]);
    // The simulator of fal accepts everything and reports mistakes later.
    expect(world.simulators.ledger.jobs().filter(({ prompt }) => prompt.includes('[invalid]'))).toEqual([]);
  });

  it('has models of every package in the table', () => {
    const providers = new Set(builtIn.list().map(({ provider }) => provider));
    for (const { id } of PACKAGES) expect(providers).toContain(id satisfies string as Service);
  });
});
