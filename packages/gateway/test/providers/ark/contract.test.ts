import { startSimulators } from '@onetake/simulators';
import { arkDefinition } from '../../../src/providers/ark/definition.ts';
import { modelsAt } from '../contract/fixture.ts';
import { networkOf, receiveCallbacks } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { arkAt, MODEL } from './world.ts';

describeProviderContract({
  name: 'Ark',
  models: modelsAt('ark', 'volcengine'),
  abilities: arkDefinition.abilities.ark,
  // No idempotency key is documented.
  startTwice: 'two_jobs',
  async create(openHttp) {
    const simulators = await startSimulators({ only: ['ark'], limits: false });
    const callbacks = await receiveCallbacks();
    const open = () =>
      arkAt(`${simulators.urls.ark}/api/v3`, {
        apiKey: simulators.keys.ark ?? '',
        discards: true,
        openHttp,
        callback: { url: callbacks.url, token: 'a-token-that-cannot-be-guessed' },
      });
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
      failNextJob() {
        marker = ' [moderation]';
      },
      holdNextJob() {
        marker = ' [hold]';
      },
      queueNextJob() {
        marker = ' [queued]';
      },
      network: networkOf(simulators),
      callbackAbout: callbacks.about,
      end: () => simulators.close(),
    };
  },
});
