import { expect, it } from 'vitest';
import { readId } from '../../../src/providers/declared/id.ts';
import { SHIPPED } from '../../../src/providers/declared/load.ts';
import { abilitiesOf } from '../../../src/providers/declared/provider.ts';
import type { ProviderFile } from '../../../src/providers/declared/schema.ts';
import { modelsAt } from '../contract/fixture.ts';
import { networkOf, receiveCallbacks } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { openDeclared, SERVICES, simulatorOf } from './world.ts';

/** Longer than any job of a simulator takes. Milliseconds of its time. */
const LONG_MS = 50 * 60_000;

it('runs over every file that comes with the gateway', () => {
  expect(Object.keys(SERVICES).sort()).toEqual(SHIPPED.map(({ provider }) => provider).sort());
});

/** The upstream's own id of a job, which callbacks name. */
function ownId(file: ProviderFile, upstreamId: string): string {
  const id = readId(file, upstreamId);
  return typeof id === 'object' && id !== null ? String(Reflect.get(id, 'task')) : upstreamId;
}

for (const file of SHIPPED) {
  const { model, request, knowsKeys = false } = SERVICES[file.provider] ?? { model: '', request: {} };
  describeProviderContract({
    name: `the file of ${file.provider}`,
    models: modelsAt(file.provider),
    abilities: abilitiesOf(file),
    startTwice: knowsKeys ? 'one_job' : 'two_jobs',
    async create(openHttp) {
      const simulators = await simulatorOf(file.provider);
      const callbacks = file.callback && (await receiveCallbacks());
      const callback = callbacks && { url: callbacks.url, token: 'a-token-that-cannot-be-guessed' };
      const open = () => openDeclared(file, { env: simulators.environment, openHttp, callback });
      let marker = '';
      return {
        provider: await open(),
        jobsMade: () => simulators.ledger.jobs().length,
        reopen: open,
        job(job) {
          const prompt = `${job.request.prompt} ${marker}`;
          marker = '';
          return { ...job, upstreamModel: model, request: { ...job.request, ...request, prompt } };
        },
        passTime: async () => simulators.advance(LONG_MS),
        failNextJob() {
          marker = '[fail]';
        },
        holdNextJob() {
          marker = '[hold]';
        },
        queueNextJob() {
          marker = '[queued]';
        },
        network: networkOf(simulators),
        ...(callbacks && {
          callbackAbout: (handle) =>
            callbacks.about({ ...handle, upstreamId: ownId(file, handle.upstreamId) }),
        }),
        end: () => simulators.close(),
      };
    },
  });
}
