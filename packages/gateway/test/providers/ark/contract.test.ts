import { startSimulators } from '@onetake/simulators';
import { describeProviderContract } from '../providerContract.ts';
import { arkAt, MODEL } from './world.ts';

describeProviderContract({
  name: 'Ark',
  // No key that would make a second start the first one's is documented.
  startTwice: 'two_jobs',
  async create() {
    const simulators = await startSimulators({ only: ['ark'], limits: false });
    const open = () =>
      arkAt(`${simulators.urls.ark}/api/v3`, { apiKey: simulators.keys.ark ?? '', discards: true });
    let marker = '';
    return {
      provider: open(),
      jobsMade: () => simulators.ledger.jobs().length,
      reopen: async () => open(),
      job(job) {
        const request = { ...job.request, duration: 2, prompt: `${job.request.prompt}${marker}` };
        marker = '';
        return { ...job, upstreamModel: MODEL, request };
      },
      async passTime() {
        simulators.advance(60_000);
      },
      loseNextAnswer: () =>
        void simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 }),
      failNextJob() {
        marker = ' [moderation]';
      },
      // A running task cannot be stopped; one that waits can.
      holdNextJob() {
        marker = ' [queued]';
      },
      breakUpstream: () => void simulators.faults.add({ kind: 'reset' }),
      stallUpstream: () => void simulators.faults.add({ kind: 'hang' }),
      end: () => simulators.close(),
    };
  },
});
