import { openaiDefinition } from '../../../src/providers/openai/definition.ts';
import { modelsAt } from '../contract/fixture.ts';
import { networkOf, receiveCallbacks } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { BY_LIST, openUpstream, SERVICES, type Service } from './world.ts';

const SUITES: readonly { name: string; service: Service; byList?: boolean }[] = [
  ...(Object.keys(SERVICES) as Service[]).map((service) => ({ name: service, service })),
  { name: 'vllm-omni, polled by its list', service: 'vllm-omni', byList: true },
];

for (const { name, service, byList = false } of SUITES) {
  const abilities = openaiDefinition.abilities[SERVICES[service].flavour];
  describeProviderContract({
    name,
    // Azure made less than OpenAI, with deployments of the operator's own names, until it ended both models.
    models: service === 'azure' ? [] : modelsAt('openai'),
    abilities: abilities && byList ? { ...abilities, batchPolling: true } : abilities,
    startTwice: 'two_jobs',
    async create(openHttp) {
      const { simulators, open } = await openUpstream(service, {}, openHttp);
      const callbacks = await receiveCallbacks();
      simulators.upstream(service).configure({ webhookUrl: callbacks.url });
      const { webhookSecret: secret } = simulators.upstream(service).settings();
      const reopen = () =>
        open({
          delete_after_collect: true,
          webhook_secret: String(secret),
          ...(byList ? { limits: BY_LIST } : {}),
        });
      let marker = '';
      return {
        provider: await reopen(),
        jobsMade: () => simulators.ledger.jobs().length,
        reopen,
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
        failNextJob() {
          marker = '[moderation]';
        },
        holdNextJob() {
          marker = '[hold]';
        },
        network: networkOf(simulators),
        callbackAbout: callbacks.about,
        end: async () => undefined,
      };
    },
  });
}
