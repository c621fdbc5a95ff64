import { startSimulators } from '@onetake/simulators';
import { dashscopeDefinition } from '../../../src/providers/dashscope/definition.ts';
import { modelsAt } from '../contract/fixture.ts';
import { networkOf } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { providerAt } from './world.ts';

describeProviderContract({
  name: 'DashScope',
  models: modelsAt('dashscope', 'beijing'),
  abilities: dashscopeDefinition.abilities.dashscope,
  startTwice: 'two_jobs',
  async create(openHttp) {
    const simulators = await startSimulators({
      only: ['dashscope'],
      scale: 0.001,
      limits: false,
      // Model Studio accepts most wrong parameters, and then fails the task.
      settings: { dashscope: { checksAtSubmit: true } },
    });
    const upstream = simulators.upstream('dashscope');
    const open = () => providerAt(upstream.url, { apiKey: upstream.key, openHttp });
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
      async end() {
        await provider.close();
        await simulators.close();
      },
    };
  },
});
