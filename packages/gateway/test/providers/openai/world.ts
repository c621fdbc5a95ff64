import { type Simulators, type SimulatorsOptions, startSimulators } from '@onetake/simulators';
import { onTestFinished } from 'vitest';
import { createLog } from '../../../src/observability/log.ts';
import { openaiDefinition } from '../../../src/providers/openai/definition.ts';
import type { Handle, Job, Provider } from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { type Clock, systemClock } from '../../../src/time/clock.ts';
import { aRequest } from '../../support/builders.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';
import { sending } from '../../support/sending.ts';

/** A minute of the upstream's time lasts 0.6 s. */
const SCALE = 0.01;

/** The services that speak the protocol: the simulator of each, and how an account names it. */
export const SERVICES = {
  openai: { flavour: 'openai', path: '/v1' },
  azure: { flavour: 'azure', path: '/openai/v1' },
  'vllm-omni': { flavour: 'compatible', path: '/v1' },
  sglang: { flavour: 'sglang', path: '/v1' },
} as const;
export type Service = keyof typeof SERVICES;

/** Limits of an account whose jobs are polled by its list, whatever the flavour's default is. */
export const BY_LIST = {
  inFlight: undefined,
  submitsPerMinute: undefined,
  pollsPerSecond: undefined,
  pollBatch: 100,
  minPollIntervalMs: undefined,
};

export const signal = (): AbortSignal => AbortSignal.timeout(15_000);

type Account = Partial<Parameters<typeof openaiDefinition.open>[0]>;

/** An adapter as the registry opens it, closed with the test. */
export async function openAccount(
  account: Account,
  clock: Clock = systemClock,
  openHttp = openHttpWhile(),
  log = createLog('silent'),
): Promise<Provider> {
  const { provider } = await openaiDefinition.open(
    { delete_after_collect: false, ...account },
    { id: 'openai', log, clock, callback: undefined, permits: ownPermits, openHttp },
  );
  onTestFinished(() => provider.close());
  return provider;
}

export interface Upstream {
  readonly simulators: Simulators;
  readonly key: string;
  readonly provider: Provider;
  /** Another adapter over the same upstream. */
  open(changes?: Account, log?: ReturnType<typeof createLog>): Promise<Provider>;
}

/** A simulator and an adapter for it. Both end with the test. */
export async function openUpstream(
  service: Service = 'openai',
  options: SimulatorsOptions = {},
  openHttp = openHttpWhile(),
): Promise<Upstream> {
  const simulators = await startSimulators({ only: [service], scale: SCALE, limits: false, ...options });
  onTestFinished(() => simulators.close());
  const key = simulators.keys[service] ?? '';
  const { flavour, path } = SERVICES[service];
  const account = { flavour, base_url: `${simulators.urls[service]}${path}`, api_key: key };
  const open = (changes: Account = {}, log?: ReturnType<typeof createLog>) =>
    openAccount({ ...account, ...changes }, systemClock, openHttp, log);
  return { simulators, key, open, provider: await open() };
}

/** A job as the engine makes it from a request that the catalogue accepted. */
export function aJob(request: Parameters<typeof aRequest>[0] = {}, changes: Partial<Job> = {}): Job {
  return {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel: 'sora-2',
    request: aRequest({ model: 'sora-2', ...request }),
    openInput: async () => {
      throw new Error('the job has no inputs');
    },
    ...changes,
  };
}

export const handleOf = ({ upstreamModel, idempotencyKey }: Job, upstreamId: string): Handle => ({
  upstreamId,
  upstreamModel,
  idempotencyKey,
  intendedAt: Date.now(),
});

/** Starts a job and ends it at once, with the ending that its markers name. */
export async function ended({ provider, simulators }: Upstream, job: Job): Promise<Handle> {
  const { upstreamId } = await provider.submit(job, sending(signal()));
  simulators.finishAll();
  return handleOf(job, upstreamId);
}
