import { aiSdkDefinition } from '../../../src/providers/aiSdk/definition.ts';
import { modelsAt } from '../contract/fixture.ts';
import { networkOf } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { NAMES, openWith, SERVICES, startWorld } from './world.ts';

for (const name of NAMES) {
  describeProviderContract({
    name: `the AI SDK bridge to ${name}`,
    models: modelsAt(name),
    abilities: aiSdkDefinition.abilities[name],
    startTwice: 'two_jobs',
    async create(openHttp) {
      const { provider, simulators, passTime } = await startWorld(name, openHttp);
      let marker = '';
      return {
        provider,
        jobsMade: () => simulators.ledger.jobs().length,
        reopen: () => openWith(name, simulators.environment, [], openHttp),
        job(job) {
          const prompt = `${job.request.prompt} ${marker}`;
          marker = '';
          const request = { ...job.request, ...SERVICES[name].request, prompt };
          return { ...job, upstreamModel: SERVICES[name].model, request };
        },
        passTime: async () => passTime(),
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
        end: async () => undefined,
      };
    },
  });
}
