import { startSimulators } from '@onetake/simulators';
import { describeProviderContract } from '../providerContract.ts';
import { providerAt } from './world.ts';

describeProviderContract({
  name: 'DashScope',
  startTwice: 'two_jobs',
  async create() {
    const simulators = await startSimulators({ only: ['dashscope'], scale: 0.001, limits: false });
    const upstream = simulators.upstream('dashscope');
    const open = () => providerAt(upstream.url, { apiKey: upstream.key });
    const provider = open();
    let marker = '[instant]';
    return {
      provider,
      jobsMade: () => simulators.ledger.jobs().length,
      reopen: async () => open(),
      job(job) {
        const request = { ...job.request, duration: 2, width: 832, prompt: `a paper boat ${marker}` };
        marker = '[instant]';
        return { ...job, upstreamModel: 'wan3.0-video', request };
      },
      passTime: async () => simulators.advance(60_000),
      loseNextAnswer() {
        simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
      },
      failNextJob() {
        marker = '[fail]';
      },
      holdNextJob() {
        marker = '[queued]';
      },
      breakUpstream() {
        // Every call of the suite waits for a connection first, and so comes after this.
        void upstream.outage();
      },
      stallUpstream() {
        simulators.faults.add({ kind: 'hang' });
      },
      async end() {
        await provider.close();
        await simulators.close();
      },
    };
  },
});
