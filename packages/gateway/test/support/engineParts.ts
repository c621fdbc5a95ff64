import { pino } from 'pino';
import type { EngineParts, EngineSettings } from '../../src/engine/parts.ts';
import type { Tracker } from '../../src/engine/tracking/tracker.ts';
import { pollRate } from '../../src/limits/limits.ts';
import type { Account, AccountLimits } from '../../src/providers/account.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { fakeInspector } from './fakeVideo.ts';

export const SETTINGS: EngineSettings = {
  taskDeadlineMs: 3_600_000,
  maxAttempts: 5,
  resubmitUnknown: false,
  callTimeoutMs: 60_000,
  downloadConcurrency: 4,
  retentionMs: 7 * 86_400_000,
  eventRetentionMs: 7 * 86_400_000,
  taskRetentionMs: 0,
  ledgerRetentionMs: 0,
  deliveryRetentionMs: 0,
  auditRetentionMs: 0,
  scrubIntervalMs: 0,
  downloadPatienceMs: 48 * 3_600_000,
};

export const LIMITS: AccountLimits = {
  inFlight: 100,
  submitsPerMinute: 60_000,
  pollsPerSecond: 1000,
  pollBatch: 1,
  minPollIntervalMs: 1000,
};

/** An account, named `one` by default. */
export const anAccount = (
  provider: Provider,
  { id = 'one', limits }: { readonly id?: string; readonly limits?: Partial<AccountLimits> | undefined } = {},
): Account => ({
  id,
  providerId: 'test',
  official: false,
  provider,
  limits: { ...LIMITS, ...limits },
});

type Required = 'store' | 'cluster' | 'storage' | 'accounts' | 'clock' | 'timers' | 'feed';

/** The parts of a test's engine: the given ones, and defaults for the rest. */
export function engineParts(given: Pick<EngineParts, Required> & Partial<EngineParts>): EngineParts {
  return {
    inspector: fakeInspector,
    openInput: async () => {
      throw new Error('this engine has no inputs');
    },
    deliveredRate: () => undefined,
    typicalTime: () => ({ medianSeconds: 60, p90Seconds: 120 }),
    servedBy: () => true,
    servedUntil: () => Number.POSITIVE_INFINITY,
    upstreamModel: () => 'upstream-model',
    upstreamRequest: ({ request }) => request,
    log: pino({ level: process.env.LOG ?? 'silent' }),
    settings: SETTINGS,
    ...given,
  };
}

/** Polls every job at one interval, and learns nothing. */
export const fixedInterval = (ms: number, remainingMs = 60_000): Tracker => ({
  plan: () => ({ pollInMs: ms, remainingMs, queryAgainInMs: ms }),
  answered: () => undefined,
  told: () => undefined,
  batched: () => undefined,
  limited: () => undefined,
  weighAgain: () => false,
  rate: ({ account }) => pollRate(account),
  account: () => ({ reliability: { current: () => 0 }, price: () => 0 }),
});
