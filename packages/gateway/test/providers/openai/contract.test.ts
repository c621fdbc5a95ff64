import { describeProviderContract } from '../providerContract.ts';
import { openUpstream, SERVICES, type Service } from './support.ts';

for (const service of Object.keys(SERVICES) as Service[]) {
  describeProviderContract({
    name: service,
    startTwice: 'two_jobs',
    async create() {
      const { simulators, provider, open } = await openUpstream(service);
      let marker = '';
      return {
        provider,
        jobsMade: () => simulators.ledger.jobs().length,
        reopen: () => open(),
        job(job) {
          const prompt = `${job.request.prompt} ${marker}`;
          marker = '';
          const shape = { resolution: '720p', width: 1280, height: 720 } as const;
          return {
            ...job,
            upstreamModel: 'sora-2',
            request: { ...job.request, ...shape, model: 'sora-2', duration: 4, prompt },
          };
        },
        passTime: async () => simulators.advance(30_000),
        loseNextAnswer: () =>
          void simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 }),
        failNextJob() {
          marker = '[moderation]';
        },
        holdNextJob() {
          marker = '[hold]';
        },
        breakUpstream: () => void simulators.faults.add({ kind: 'reset' }),
        stallUpstream: () => void simulators.faults.add({ kind: 'hang' }),
        end: async () => undefined,
      };
    },
  });
}
