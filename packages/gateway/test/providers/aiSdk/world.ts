import { Readable } from 'node:stream';
import { type Simulators, startSimulators } from '@onetake/simulators';
import { onTestFinished } from 'vitest';
import type { UpstreamRequest } from '../../../src/catalogue/upstream.ts';
import { createLog } from '../../../src/observability/log.ts';
import { readAccounts } from '../../../src/providers/accounts.ts';
import { aiSdkDefinition } from '../../../src/providers/aiSdk/definition.ts';
import type { OpenedAccount } from '../../../src/providers/definition.ts';
import type { Answer, Handle, Job, Provider } from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import type { InputRef, VideoRequest } from '../../../src/tasks/request.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { aRequest } from '../../support/builders.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';
import { sending } from '../../support/sending.ts';

/** The services that the bridge is tested with, by the names of their simulators, and the smallest job of each. */
export const SERVICES = {
  xai: { model: 'grok-imagine-video', request: { duration: 1, resolution: '480p', width: 854, height: 480 } },
  minimax: { model: 'MiniMax-H3-Max', request: { duration: 5, resolution: '480p', width: 854, height: 480 } },
  replicate: {
    model: 'bytedance/seedance-1-pro',
    request: { duration: 1, resolution: '480p', width: 854, height: 480 },
  },
  fal: { model: 'fal-ai/veo3.1', request: { duration: 4, resolution: '720p', width: 1280, height: 720 } },
} as const satisfies Record<string, { model: string; request: Partial<VideoRequest> }>;

export type Service = keyof typeof SERVICES;
export const NAMES = Object.keys(SERVICES) as Service[];

/** Longer than any job of a simulator takes, and shorter than results are kept, in the upstream's time. */
const LONG_MS = 50 * 60_000;

type Environment = Readonly<Record<string, string>>;
type Change = Partial<UpstreamRequest> & { readonly upstreamModel?: string };

/** The simulator of a service, and the account that its environment variables make. Both end with the test. */
export interface World {
  readonly simulators: Simulators;
  readonly key: string;
  /** Every log line. */
  readonly log: string[];
  readonly provider: Provider;
  /** Starts a job. */
  started(change?: Change): Promise<Handle>;
  /** The last answer about a job. */
  ended(handle: Handle): Promise<Answer>;
  /** Advances the upstream's time until every job that can end has ended. */
  passTime(): void;
}

export async function startWorld(service: Service, openHttp = openHttpWhile()): Promise<World> {
  const simulators = await startSimulators({ only: [service], scale: 0.001, keptScale: 0.01, limits: false });
  onTestFinished(() => simulators.close());
  const log: string[] = [];
  const provider = await openWith(service, simulators.environment, log, openHttp);
  return {
    simulators,
    key: simulators.keys[service] ?? '',
    log,
    provider,
    async started(change) {
      const job = starting(service, change);
      return handleOf(job, (await provider.submit(job, sending(soon()))).upstreamId);
    },
    async ended(handle) {
      simulators.advance(LONG_MS);
      return provider.poll(handle, soon());
    },
    passTime: () => simulators.advance(LONG_MS),
  };
}

/** The provider of the account that these variables make, closed with the test. */
export async function openWith(
  service: Service,
  env: Environment,
  log: string[] = [],
  openHttp = openHttpWhile(),
): Promise<Provider> {
  const { provider } = await openAccount(service, env, { log, openHttp });
  onTestFinished(() => provider.close());
  return provider;
}

/** Opens the account of this name, from the environment or from `accounts` of the file. */
export async function openAccount(
  name: string,
  env: Environment,
  { file = {}, log = [] as string[], openHttp = openHttpWhile() } = {},
): Promise<OpenedAccount> {
  const { accounts, problems } = readAccounts({ file, env, definitions: [aiSdkDefinition] });
  const account = accounts.find(({ id }) => id === name);
  if (!account) throw new Error(`no account of ${name}: ${problems.join('; ')}`);
  return aiSdkDefinition.open(account.account as Parameters<typeof aiSdkDefinition.open>[0], {
    id: name,
    log: createLog('debug', { write: (line: string) => void log.push(line) }),
    clock: systemClock,
    callback: undefined,
    permits: ownPermits,
    openHttp,
  });
}

/** A job that the service takes. */
export function starting(service: Service, { upstreamModel, ...change }: Change = {}): Job {
  return {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel: upstreamModel ?? SERVICES[service].model,
    request: aRequest({ ...SERVICES[service].request, ...change }),
    openInput: async ({ mediaId }) => Readable.from([Buffer.from(mediaId)]),
  };
}

export const soon = (): AbortSignal => AbortSignal.timeout(15_000);

export const handleOf = ({ upstreamModel, idempotencyKey }: Job, upstreamId: string): Handle => ({
  upstreamId,
  upstreamModel,
  idempotencyKey,
  intendedAt: Date.now(),
});

/** An input whose bytes are its name. */
export const anImage = (name: string): InputRef => ({
  mediaId: name,
  contentType: 'image/png',
  bytes: name.length,
  width: 64,
  height: 64,
});
