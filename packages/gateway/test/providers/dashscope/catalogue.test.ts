import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { upstreamModelOf, upstreamRequest } from '../../../src/catalogue/upstream.ts';
import { requestsOf } from '../../catalogue/bodies.ts';
import { builtIn } from '../../catalogue/builtIn.ts';
import { sending } from '../../support/sending.ts';
import { aJob, signal, simulated } from './world.ts';

const MODELS = builtIn.list().filter(({ provider }) => provider === 'dashscope');
const openInput = async () => Readable.from([Buffer.from('a picture')]);

it.each(MODELS.map((model) => [model.id, model] as const))(
  'Model Studio takes every parameter that the catalogue promises for %s',
  async (_id, model) => {
    const { provider } = await simulated({ settings: { checksAtSubmit: true } });
    const requests = requestsOf(model);
    expect(requests.length).toBeGreaterThan(3);
    for (const request of requests) {
      const upstreamModel = upstreamModelOf(model, request, 'beijing');
      const job = aJob(upstreamRequest(model, request), { upstreamModel, openInput });
      await provider.submit(job, sending(signal()));
    }
  },
);
