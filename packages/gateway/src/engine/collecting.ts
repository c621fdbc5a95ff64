import pLimit, { type LimitFunction } from 'p-limit';
import type { Handle, Provider } from '../providers/provider.ts';
import { later } from '../tasks/clock.ts';
import { OnetakeError } from '../tasks/errors.ts';
import { taskError } from '../tasks/reasons.ts';
import type { UpstreamResult } from '../tasks/task.ts';
import type { AccountState } from './accountState.ts';
import type { Hand, Hands } from './hand.ts';
import { createKeeping, DamagedVideo, type Staged } from './keeping.ts';
import type { EngineParts } from './parts.ts';
import { pause } from './pause.ts';
import { asUpstreamError } from './submission.ts';
import { handleOf } from './tracking.ts';

/** Fetches finished videos into our storage, checks them, and only then lets the task succeed. */
export interface Collecting {
  collect(hand: Hand): void;
  /** Interrupts fetches; the next start goes on from the bytes that are there. Resolves when none runs. */
  stop(): Promise<void>;
}

interface CollectingParts extends EngineParts {
  readonly hands: Hands;
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

/** Wait after a failed fetch, doubling to the maximum. Milliseconds. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** Whole fetches whose bytes turned out damaged before the video counts as lost. */
const MAX_DAMAGED = 3;
/** Fetches before a video counts as expired upstream: a clock that is wrong must not cost it at the first broken connection. */
const MIN_TRIES = 3;
/** One fetch: an upstream that trickles is left for another try, which goes on from the bytes that are there. Milliseconds. */
const FETCH_MS = 1_800_000;

export function createCollecting(parts: CollectingParts): Collecting {
  const { hands, clock, timers, settings, log } = parts;
  const keeping = createKeeping(parts);
  const limits = new Map<string, LimitFunction>();
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();

  /** Each account has its own places: an upstream whose storage hangs must not hold up the videos of the others. */
  function limitOf(accountId: string): LimitFunction {
    const limit = limits.get(accountId) ?? pLimit(settings.collectConcurrency);
    limits.set(accountId, limit);
    return limit;
  }

  async function run(hand: Hand): Promise<void> {
    // Let go between its move and here: nothing would interrupt the fetch any more.
    if (!hands.drives(hand)) return;
    const state = parts.accountStates.get(hand.task.attempt?.accountId ?? '');
    const handle = handleOf(hand.task.attempt);
    const first = hand.task.attempt?.upstreamResult;
    if (!handle || !first) throw new Error(`task ${hand.task.id} is storing without an upstream result`);
    let result: UpstreamResult = first;
    if (!state) return lose(hand, `account ${hand.task.attempt?.accountId} is not configured any more`);
    const { provider } = state.account;
    const limit = limitOf(state.account.id);

    const patientUntil = later(timers.monotonic(), settings.collectPatienceMs);
    const staged: Staged = {};
    const gone = new AbortController();
    hand.interrupt = () => gone.abort();
    const over = AbortSignal.any([stopping.signal, gone.signal]);
    let damaged = 0;
    for (let failures = 0; !over.aborted; ) {
      const wanted: UpstreamResult = result;
      // A place is held for a try alone, never between two: videos that cannot be fetched must not hold up those that can.
      const tried = await limit(async () => {
        if (over.aborted) return undefined;
        hand.fetching = true;
        try {
          const signal = AbortSignal.any([over, AbortSignal.timeout(FETCH_MS)]);
          const open = (offset: number) => provider.open(handle, wanted, offset, signal);
          return { stored: await keeping.keep(hand.task, open, staged, over) };
        } catch (error) {
          if (over.aborted) return undefined;
          if (isOurs(error)) return { error };
          // First a new link, if there is one: the video behind an expired one may well be there.
          return { error, fresh: await freshResult(provider, handle) };
        } finally {
          hand.fetching = false;
        }
      });
      if (!tried) return;
      if ('stored' in tried) {
        const event = { type: 'stored', result: tried.stored.result } as const;
        if (!(await hands.apply(hand, event, { media: tried.stored.media, insist: true }))) return;
        // The video is ours now: whether the upstream forgets its copy is its own affair.
        await provider.discard?.(handle, AbortSignal.timeout(settings.callTimeoutMs)).catch((error) => {
          log.warn({ task: hand.task.id, err: error }, 'the upstream would not forget a collected video');
        });
        return;
      }
      failures += 1;
      if (tried.error instanceof DamagedVideo) damaged += 1;
      const failure = asUpstreamError(tried.error);
      log.warn(
        { task: hand.task.id, failures, damaged, detail: failure.detail, err: tried.error },
        'collecting a video failed',
      );
      result = tried.fresh ?? result;
      // Our own storage being away says nothing about the video: what has arrived stays staged until it is back.
      const expired =
        failures >= MIN_TRIES &&
        !isOurs(tried.error) &&
        clock.now() >= (result.expiresAt ?? Number.POSITIVE_INFINITY);
      if (damaged >= MAX_DAMAGED || expired || timers.monotonic() >= patientUntil)
        return lose(hand, failure.detail ?? failure.message);
      const backOff = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(failures - 1, 10));
      await pause(timers, Math.max(failure.retryAfterMs ?? 0, backOff), over);
    }
  }

  /** Links upstream expire sooner than the videos behind them: asking again may give a new one. */
  async function freshResult(provider: Provider, handle: Handle): Promise<UpstreamResult | undefined> {
    try {
      const answer = await provider.ask(handle, AbortSignal.timeout(settings.callTimeoutMs));
      return answer.state === 'succeeded' ? answer.result : undefined;
    } catch {
      // The loop around tells about the fetch that failed; this was only an attempt to help it.
      return undefined;
    }
  }

  async function lose(hand: Hand, detail: string): Promise<void> {
    const message =
      'The video was made upstream, but it could not be fetched whole; you are not charged. Submit the task again.';
    await hands.apply(
      hand,
      { type: 'failed', error: taskError('result_lost', message), outcome: 'failed', detail },
      { insist: true },
    );
  }

  return {
    collect(hand) {
      const work = run(hand).catch((error) =>
        log.error({ task: hand.task.id, err: error }, 'collecting stopped; the next start takes it up again'),
      );
      underWay.add(work);
      void work.finally(() => underWay.delete(work));
    },
    async stop() {
      stopping.abort();
      await Promise.all(underWay);
    },
  };
}

const isOurs = (error: unknown): boolean =>
  error instanceof OnetakeError && error.code === 'storage_unavailable';
