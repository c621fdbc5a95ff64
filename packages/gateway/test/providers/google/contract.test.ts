import { startSimulators } from '@onetake/simulators';
import { googleDefinition } from '../../../src/providers/google/definition.ts';
import { networkOf } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { MODELS, openAccount, type Service } from './world.ts';

const VARIANTS: readonly { service: Service; name: string; more?: Record<string, unknown> }[] = [
  { service: 'gemini', name: 'Veo on the Gemini API' },
  { service: 'vertex', name: 'Veo on Vertex AI, results inside the answer' },
  {
    service: 'vertex',
    name: 'Veo on Vertex AI, results in a bucket',
    more: { storage_uri: 'gs://videos/out' },
  },
];

for (const { service, name, more } of VARIANTS) {
  describeProviderContract({
    name,
    abilities: googleDefinition.abilities[service],
    startTwice: 'two_jobs',
    async create(openHttp) {
      const simulators = await startSimulators({ only: [service], scale: 0.001, limits: false });
      const { provider } = await openAccount(simulators.environment, more, openHttp);
      let marker = '';
      return {
        provider,
        jobsMade: () => simulators.ledger.jobs().length,
        reopen: async () => (await openAccount(simulators.environment, more, openHttp)).provider,
        job(job) {
          const { request } = job;
          const prompt = `${request.prompt}${marker}`;
          marker = '';
          return {
            ...job,
            upstreamModel: MODELS[service],
            request: { ...request, prompt, duration: 4, resolution: '720p', width: 1280, height: 720 },
          };
        },
        async passTime() {
          simulators.advance(600_000);
        },
        failNextJob() {
          marker = ' [fail]';
        },
        holdNextJob() {
          marker = ' [hold]';
        },
        network: networkOf(simulators),
        async end() {
          await provider.close();
          await simulators.close();
        },
      };
    },
  });
}
