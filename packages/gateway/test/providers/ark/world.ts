import { type Simulators, startSimulators } from '@onetake/simulators';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { createArkProvider } from '../../../src/providers/ark/provider.ts';
import type { Handle, Job, Provider, UnknownSubmission } from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { aRequest } from '../../support/builders.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';

export const MODEL = 'doubao-seedance-1-0-pro-250528';

export type ArkOptions = Partial<Parameters<typeof createArkProvider>[0]>;

/** An adapter, closed with the test. */
export function arkAt(baseUrl: string, options: ArkOptions = {}): Provider {
  const provider = createArkProvider({
    apiKey: 'ark-key-of-the-test',
    baseUrl,
    batch: 180,
    queriesPerSecond: 20,
    discards: false,
    callback: undefined,
    log: pino({ level: 'silent' }),
    clock: systemClock,
    openHttp: openHttpWhile(),
    permits: ownPermits,
    ...options,
  });
  onTestFinished(() => provider.close());
  return provider;
}

/** The simulator and an adapter for it. Both end with the test. */
export async function arkWorld(
  options: ArkOptions & { readonly limits?: boolean } = {},
): Promise<{ simulators: Simulators; provider: Provider; another(more?: ArkOptions): Provider }> {
  const { limits = false, ...rest } = options;
  const simulators = await startSimulators({ only: ['ark'], limits });
  onTestFinished(() => simulators.close());
  const another = (more: ArkOptions = {}) =>
    arkAt(`${simulators.urls.ark}/api/v3`, { apiKey: simulators.keys.ark ?? '', ...rest, ...more });
  return { simulators, provider: another(), another };
}

/** The shortest and smallest video. */
export function arkJob(changes: Partial<Job> = {}): Job {
  const request = aRequest({
    model: 'seedance-1.0-pro',
    duration: 2,
    resolution: '480p',
    width: 864,
    height: 480,
    ...changes.request,
  });
  return {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel: MODEL,
    openInput: async () => {
      throw new Error('the job has no inputs');
    },
    ...changes,
    request,
  };
}

export const aPrompt = (prompt: string): Job => arkJob({ request: aRequest({ prompt, ...SMALL }) });

const SMALL = { duration: 2, resolution: '480p', width: 864, height: 480 } as const;

export const handle = (upstreamId: string): Handle => ({
  upstreamId,
  upstreamModel: MODEL,
  idempotencyKey: newId(),
  intendedAt: Date.now(),
});

export const lost = (job: Job, known: readonly string[] = []): UnknownSubmission => ({
  ...job,
  intendedAt: Date.now(),
  sinceGivenUp: () => 0,
  isKnown: async (upstreamId) => known.includes(upstreamId),
});

export const signal = (): AbortSignal => AbortSignal.timeout(15_000);
