import { Readable } from 'node:stream';
import { type Simulators, startSimulators } from '@onetake/simulators';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { readAccounts } from '../../../src/providers/accounts.ts';
import type { Environment, OpenedAccount } from '../../../src/providers/definition.ts';
import { googleDefinition } from '../../../src/providers/google/definition.ts';
import type { Job, Provider } from '../../../src/providers/provider.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { aRequest } from '../../support/builders.ts';
import { openHttpWhile, ownPermits } from '../../support/openHttp.ts';

/** Google's two services, by the names of their simulators. */
export type Service = 'gemini' | 'vertex';

export const MODELS: Readonly<Record<Service, string>> = {
  gemini: 'veo-3.1-fast-generate-preview',
  vertex: 'veo-3.1-fast-generate-001',
};

export const OMNI_MODEL = 'gemini-omni-1.2-flash';

export const signal = (): AbortSignal => AbortSignal.timeout(30_000);

/** Opens the account that environment variables and further members from a file describe. */
export async function openAccount(
  env: Environment,
  more: Record<string, unknown> = {},
  openHttp = openHttpWhile(),
): Promise<OpenedAccount> {
  const members = { ...googleDefinition.fromEnvironment(env), ...more };
  const { accounts, problems } = readAccounts({
    file: { google: { provider: 'google', ...members } },
    env,
    definitions: [googleDefinition],
  });
  const [configured] = accounts;
  if (!configured || problems.length > 0) throw new Error(problems.join('\n'));
  return configured.definition.open(configured.account, {
    id: 'google',
    log: pino({ level: 'silent' }),
    clock: systemClock,
    callback: undefined,
    permits: ownPermits,
    openHttp,
  });
}

/** A simulated service at the speed of the real one, and an account there. Both end with the test. */
export async function open(
  service: Service,
  more: Record<string, unknown> = {},
): Promise<{ simulators: Simulators; provider: Provider; env: Environment }> {
  const simulators = await startSimulators({ only: [service] });
  onTestFinished(() => simulators.close());
  const env = simulators.environment;
  const { provider } = await openAccount(env, more);
  onTestFinished(() => provider.close());
  return { simulators, provider, env };
}

export function aJob(
  service: Service,
  changes: Partial<VideoRequest> = {},
  images: Record<string, Buffer> = {},
  upstreamModel = MODELS[service],
): Job {
  return {
    taskId: newTaskId(),
    attempt: 1,
    idempotencyKey: newId(),
    upstreamModel,
    request: aRequest({ generateAudio: false, ...changes }),
    async openInput({ mediaId }) {
      const bytes = images[mediaId];
      if (!bytes) throw new Error(`no input ${mediaId}`);
      return Readable.from([bytes]);
    },
  };
}

export const handleOf = ({ upstreamModel, idempotencyKey }: Job, upstreamId: string) => ({
  upstreamId,
  upstreamModel,
  idempotencyKey,
  intendedAt: Date.now(),
});
