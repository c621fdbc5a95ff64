import { describeProviderContract } from '../providerContract.ts';
import { NAMES, openWith, SERVICES, startWorld } from './world.ts';

for (const name of NAMES) {
  describeProviderContract({
    name: `the AI SDK bridge to ${name}`,
    startTwice: 'two_jobs',
    async create() {
      const { provider, simulators, passTime } = await startWorld(name);
      let marker = '';
      return {
        provider,
        jobsMade: () => simulators.ledger.jobs().length,
        reopen: () => openWith(name, simulators.environment),
        job(job) {
          const prompt = `${job.request.prompt} ${marker}`;
          marker = '';
          const request = { ...job.request, ...SERVICES[name].request, prompt };
          return { ...job, upstreamModel: SERVICES[name].model, request };
        },
        passTime: async () => passTime(),
        loseNextAnswer() {
          simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
        },
        failNextJob() {
          marker = '[fail]';
        },
        holdNextJob() {
          marker = '[hold]';
        },
        breakUpstream() {
          simulators.faults.add({ kind: 'reset' });
        },
        stallUpstream() {
          simulators.faults.add({ kind: 'hang' });
        },
        end: async () => undefined,
      };
    },
  });
}
