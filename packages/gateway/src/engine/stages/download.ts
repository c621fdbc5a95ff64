import pLimit, { type LimitFunction } from 'p-limit';
import type { AccountState } from '../../limits/account.ts';
import { NativeCrash, NativeTimeout } from '../../native/errors.ts';
import type { Handle, Provider } from '../../providers/provider.ts';
import { taskError } from '../../tasks/reasons.ts';
import type { UpstreamResult } from '../../tasks/task.ts';
import { later, type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import type { ActiveTask, ActiveTasks } from '../activeTasks.ts';
import { createIngest, type IngestMemory } from '../ingest/ingest.ts';
import { DamagedVideo, FetchFailed, NoAccount, type OpenVideo, TooLarge } from '../ingest/staging.ts';
import type { EngineParts } from '../parts.ts';
import { handleOf } from './poll.ts';
import { asUpstreamError } from './submit.ts';

/** Fetches finished videos into our storage, checks them, and only then lets the task succeed. */
export interface Downloads {
  /** `resumed`: an earlier process, or another node, was at it already. */
  start(active: ActiveTask, options?: { readonly resumed?: boolean }): void;
  /** Interrupts fetches; the next start goes on from the bytes that are there. Resolves when none runs. */
  stop(): Promise<void>;
}

interface DownloadsParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

/** Wait after a failed fetch, doubling to the maximum. Milliseconds. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** The same where the checker died or hung. Milliseconds. */
const MAX_CHECKER_MS = 600_000;
/** Wait after bytes that are no whole video: a page in their place, while the upstream is in trouble, is soon gone. Milliseconds. */
const DAMAGED_AGAIN_MS = 10_000;
/** Whole fetches whose bytes turned out damaged before the video counts as lost. */
const MAX_DAMAGED = 3;
/**
 * Fetches, and the time since the first that failed, before a video counts as expired upstream: when its link ends is told by
 * another clock, and ours may be wrong. Milliseconds.
 */
const MIN_TRIES = 3;
const MIN_TRIED_MS = 600_000;
/** One fetch: an upstream that trickles is left for another try, which goes on from the bytes that are there. Milliseconds. */
const FETCH_MS = 1_800_000;

export function createDownloads(parts: DownloadsParts): Downloads {
  const { activeTasks, clock, timers, settings, log } = parts;
  const ingest = createIngest(parts);
  const limits = new Map<string, LimitFunction>();
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();

  /** Each account has its own places: an upstream whose storage hangs must not hold up the videos of the others. */
  function limitOf(accountId: string): LimitFunction {
    const limit = limits.get(accountId) ?? pLimit(settings.downloadConcurrency);
    limits.set(accountId, limit);
    return limit;
  }

  async function run(active: ActiveTask, resumed: boolean): Promise<void> {
    // Let go between its move and here: nothing would interrupt the fetch any more.
    if (!activeTasks.drives(active)) return;
    const accountId = active.task.attempt?.accountId ?? '';
    const provider = parts.accountStates.get(accountId)?.account.provider;
    const handle = handleOf(active.task.attempt);
    const first = active.task.attempt?.upstreamResult;
    if (!handle || !first) throw new Error(`task ${active.task.id} is storing without an upstream result`);
    let result: UpstreamResult = first;
    const limit = limitOf(accountId);

    const patientUntil = later(timers.monotonic(), settings.downloadPatienceMs);
    const memory: IngestMemory = {
      earlier: resumed ? 'some' : 'none',
      posterTries: 0,
      posterStored: false,
    };
    const gone = new AbortController();
    active.interrupt = () => gone.abort();
    const over = AbortSignal.any([stopping.signal, gone.signal]);
    const count = { failures: 0, fetches: 0, damaged: 0 };
    let failedSince: Moment | undefined;
    while (!over.aborted) {
      const wanted: UpstreamResult = result;
      // A place is held for a try alone, never between two: videos that cannot be fetched must not hold up those that can.
      const tried = await limit(async () => {
        if (over.aborted) return undefined;
        active.fetching = true;
        try {
          const signal = AbortSignal.any([over, AbortSignal.timeout(FETCH_MS)]);
          const open: OpenVideo = async (offset) => {
            if (!provider) throw new NoAccount(`the account ${accountId} is not configured any more`);
            return provider.open(handle, wanted, offset, signal);
          };
          return { stored: await ingest.ingest(active.task, open, memory, over) };
        } catch (error) {
          if (over.aborted) return undefined;
          if (!provider || isOurs(error)) return { error };
          // First a new link, if there is one: the video behind an expired one may well be there.
          return { error, fresh: await freshResult(provider, handle) };
        } finally {
          active.fetching = false;
        }
      });
      if (!tried) return;
      if ('stored' in tried) {
        const { media, ...kept } = tried.stored;
        const event = { type: 'stored', ...kept } as const;
        if (!(await activeTasks.apply(active, event, { media, retryUntilWritten: true }))) return;
        // The video is ours now: whether the upstream forgets its copy is its own affair.
        await provider?.discard?.(handle, AbortSignal.timeout(settings.callTimeoutMs)).catch((error) => {
          log.warn(
            { event: 'upstream.discard_failed', task: active.task.id, err: error },
            'the upstream did not delete a downloaded video',
          );
        });
        return;
      }
      const { error } = tried;
      count.failures += 1;
      if (error instanceof DamagedVideo) count.damaged += 1;
      if (error instanceof FetchFailed) {
        count.fetches += 1;
        failedSince ??= timers.monotonic();
      }
      const failure = asUpstreamError(error instanceof FetchFailed ? error.cause : error);
      log.warn(
        {
          event: 'download.failed',
          task: active.task.id,
          ...count,
          ours: isOurs(error),
          detail: failure.detail,
          err: error,
        },
        'downloading a video failed',
      );
      result = tried.fresh ?? result;
      const expired =
        error instanceof FetchFailed &&
        count.fetches >= MIN_TRIES &&
        msBetween(failedSince ?? timers.monotonic(), timers.monotonic()) >= MIN_TRIED_MS &&
        // A storage that cannot be asked may have it already.
        memory.earlier !== 'unknown' &&
        clock.now() >= (result.expiresAt ?? Number.POSITIVE_INFINITY);
      if (
        count.damaged >= MAX_DAMAGED ||
        // The same bytes would come again.
        (error instanceof DamagedVideo && error.problem === 'not_mp4') ||
        error instanceof TooLarge ||
        expired ||
        timers.monotonic() >= patientUntil
      ) {
        return lose(active, error, failure.detail ?? failure.message);
      }
      await pause(timers, Math.max(failure.retryAfterMs ?? 0, backOff(error, count.failures)), over);
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

  async function lose(active: ActiveTask, error: unknown, detail: string): Promise<void> {
    if (error instanceof TooLarge) {
      log.error(
        { event: 'download.too_large', task: active.task.id, detail },
        'a video is larger than allowed and is not stored',
      );
    }
    // What ends too soon may be whole elsewhere: it was lost on its way. What is something else altogether was never a video of ours.
    const isUnusable = error instanceof DamagedVideo && error.problem !== 'truncated';
    const what = isOurs(error)
      ? 'the gateway could not check and store it in time'
      : error instanceof TooLarge
        ? 'it is larger than the gateway takes'
        : 'it could not be fetched whole';
    const message = isUnusable
      ? 'The upstream delivered something that cannot be given as an MP4 video; you are not charged. Submit the task again, or use another model.'
      : `The video was made upstream, but ${what}; you are not charged. Submit the task again.`;
    const reason = isUnusable ? 'result_unusable' : 'result_lost';
    await activeTasks.apply(
      active,
      { type: 'failed', error: taskError(reason, message), outcome: 'failed', detail },
      { retryUntilWritten: true },
    );
  }

  return {
    start(active, { resumed = false } = {}) {
      const work = run(active, resumed).catch((error) =>
        log.error(
          { event: 'download.stopped', task: active.task.id, err: error },
          'downloading stopped; the next start resumes it',
        ),
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

/**
 * Only an upstream that does not give the bytes, or bytes that were looked at and are bad, say anything about a video. All else is
 * our own trouble: the checker, the disk, descriptors, memory, the database, the bucket, the configuration.
 */
const isOurs = (error: unknown): boolean =>
  !(error instanceof FetchFailed || error instanceof DamagedVideo || error instanceof TooLarge);

/** A file that ends the checker again and again must not keep it from those of other tasks. */
function backOff(error: unknown, failures: number): number {
  const checkerDied = error instanceof NativeCrash || error instanceof NativeTimeout;
  const most = checkerDied ? MAX_CHECKER_MS : MAX_RETRY_MS;
  const first = error instanceof DamagedVideo ? DAMAGED_AGAIN_MS : RETRY_MS;
  return Math.min(most, first * 2 ** Math.min(failures - 1, 10));
}
