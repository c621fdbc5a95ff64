import { startSimulators } from '@onetake/simulators';
import type { UpstreamRequest } from '../../../src/catalogue/upstream.ts';
import type { Environment } from '../../../src/providers/definition.ts';
import { googleDefinition } from '../../../src/providers/google/definition.ts';
import type { OpenHttp } from '../../../src/providers/http/upstreamHttp.ts';
import type { Abilities, Provider } from '../../../src/providers/provider.ts';
import { modelsAt } from '../contract/fixture.ts';
import { networkOf } from '../contract/simulated.ts';
import { describeProviderContract } from '../providerContract.ts';
import { MODELS, OMNI_MODEL, openAccount, type Service } from './world.ts';

interface Variant {
  readonly service: Service;
  readonly name: string;
  readonly abilities?: Abilities | undefined;
  readonly model?: string;
  readonly protocol?: UpstreamRequest['protocol'];
  readonly more?: Record<string, unknown>;
}

const VARIANTS: readonly Variant[] = [
  { service: 'gemini', name: 'Omni on the Gemini API', model: OMNI_MODEL, protocol: 'interactions' },
  // Of its account, only the tasks of Omni can be stopped.
  { service: 'gemini', name: 'Veo on the Gemini API', abilities: googleDefinition.abilities.vertex },
  { service: 'vertex', name: 'Veo on Vertex AI, results inside the answer' },
  {
    service: 'vertex',
    name: 'Veo on Vertex AI, results in a bucket',
    more: { storage_uri: 'gs://videos/out' },
  },
];

const familyOf = (model: string): string => (model === OMNI_MODEL ? 'gemini-omni' : 'veo');

for (const { service, name, abilities, model = MODELS[service], protocol, more } of VARIANTS) {
  const opened = async (env: Environment, openHttp: OpenHttp) => {
    const { provider } = await openAccount(env, more, openHttp);
    return abilities === undefined ? provider : withoutOmni(provider);
  };
  describeProviderContract({
    name,
    models: modelsAt('google', service).filter((one) => one.model.family === familyOf(model)),
    abilities: abilities ?? googleDefinition.abilities[service],
    startTwice: 'two_jobs',
    async create(openHttp) {
      const simulators = await startSimulators({ only: [service], scale: 0.001, limits: false });
      const provider = await opened(simulators.environment, openHttp);
      let marker = '';
      return {
        provider,
        jobsMade: () => simulators.ledger.jobs().length,
        reopen: () => opened(simulators.environment, openHttp),
        job(job) {
          const { request } = job;
          const prompt = `${request.prompt}${marker}`;
          marker = '';
          return {
            ...job,
            upstreamModel: model,
            request: {
              ...{ ...request, prompt, duration: 4, resolution: '720p', width: 1280, height: 720 },
              ...(protocol === undefined ? {} : { protocol }),
            },
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

/** What the provider of an account of the Gemini API is to a task of Veo. */
function withoutOmni({ cancel: _cancel, upstreamTime: _upstreamTime, ...veo }: Provider): Provider {
  return veo;
}
