import pLimit, { type LimitFunction } from 'p-limit';
import type { AccountState } from '../../limits/account.ts';
import { NativeCrash, NativeTimeout } from '../../native/errors.ts';
import { isOwnTrouble } from '../../providers/http/lostCall.ts';
import { type Handle, type OpenedResult, type Provider, UpstreamError } from '../../providers/provider.ts';
import { type TaskError, taskError } from '../../tasks/reasons.ts';
import type { UpstreamResult } from '../../tasks/task.ts';
import { later, type Moment, msBetween } from '../../time/clock.ts';
import { pause } from '../../time/pause.ts';
import { type ActiveTask, phaseSignal } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { Stage } from '../drive.ts';
import { createIngest, type Ingested, type IngestMemory } from '../ingest/ingest.ts';
import { DamagedVideo, FetchFailed, NoAccount, type OpenVideo, TooLarge } from '../ingest/staging.ts';
import { asUpstreamError, handleOf } from '../job.ts';
import type { EngineParts } from '../parts.ts';
import { isOverdue, noteSilence } from './lostJob.ts';

interface DownloadParts extends EngineParts {
  readonly activeTasks: ActiveTasks;
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly stopping: AbortSignal;
}

/** Where the video of a task is fetched from. `provider` is undefined if the account is not configured any more. */
interface Source {
  readonly accountId: string;
  readonly provider: Provider | undefined;
  readonly handle: Handle;
}

/** Delay after a failed download, doubling up to the maximum. Milliseconds. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;
/** The maximum if the media checker crashed or hung. Milliseconds. */
const MAX_CHECKER_MS = 600_000;
/** First delay after damaged bytes, such as an error page during an incident upstream. Milliseconds. */
const DAMAGED_AGAIN_MS = 10_000;
/** Complete downloads with damaged bytes before the video counts as lost. */
const MAX_DAMAGED = 3;
/**
 * Minimum number of failed fetches, and minimum time since the first one (milliseconds), before a video counts as expired upstream:
 * the expiry time comes from another clock, and this node's clock may be wrong.
 */
const MIN_TRIES = 3;
const MIN_TRIED_MS = 600_000;
/** Timeout of one fetch. The next try resumes from the bytes that are there, so a slow upstream does not delay other videos for ever. Milliseconds. */
const FETCH_MS = 1_800_000;

/**
 * The stage of a task whose video is finished upstream: downloads it into the storage and verifies it before the task succeeds. The next
 * driver resumes an aborted download from the bytes that are there.
 */
export function createDownload(parts: DownloadParts): Stage {
  const { activeTasks, timers, settings, log } = parts;
  const ingest = createIngest(parts);
  const limits = new Map<string, LimitFunction>();

  /** Each account has its own concurrency limit: an upstream whose storage hangs must not delay the videos of others. */
  function limitOf(accountId: string): LimitFunction {
    const limit = limits.get(accountId) ?? pLimit(settings.downloadConcurrency);
    limits.set(accountId, limit);
    return limit;
  }

  async function run(active: ActiveTask): Promise<void> {
    const accountId = active.task.attempt?.accountId ?? '';
    const handle = handleOf(active.task.attempt);
    const first = active.task.attempt?.upstreamResult;
    if (!handle || !first) throw new Error(`task ${active.task.id} is storing without an upstream result`);
    const limit = limitOf(accountId);
    const failures = createFailures(parts);
    const memory: IngestMemory = {
      // An earlier process or another node may have begun the download.
      earlier: active.resumedIn === 'storing' ? 'some' : 'none',
    };
    const over = AbortSignal.any([parts.stopping, phaseSignal(active)]);
    let result: UpstreamResult = first;
    active.silentSince = undefined;
    while (!over.aborted) {
      // A member of a fleet may be configured again.
      const { provider, member } = parts.accountStates.get(accountId)?.account ?? {};
      const source: Source = { accountId, provider, handle };
      const wanted: UpstreamResult = result;
      // Only tries count towards the limit, not the time between them: videos that cannot be fetched must not delay the others.
      const tried = await limit(() => tryOnce(active, source, wanted, memory, over));
      if (!tried) return;
      if ('stored' in tried) return succeed(active, source, tried.stored);
      const { error } = tried;
      failures.add(error);
      const failure = asUpstreamError(error instanceof FetchFailed ? error.cause : error);
      log.warn(
        {
          event: 'download.failed',
          task: active.task.id,
          ...failures.count,
          ours: isOurs(error),
          detail: failure.detail,
          err: error,
        },
        'downloading a video failed',
      );
      result = tried.fresh ?? result;
      const isLost =
        error instanceof FetchFailed && isOverdue(active, member?.lostAfterMs, timers.monotonic());
      if (isLost || failures.isLost(error, result, memory)) {
        return lose(active, error, failure.detail ?? failure.message);
      }
      const wait = Math.max(failure.retryAfterMs ?? 0, backOff(error, failures.count.failures));
      await pause(timers, wait, over);
    }
  }

  /** Undefined if the download was interrupted. */
  async function tryOnce(
    active: ActiveTask,
    { accountId, provider, handle }: Source,
    result: UpstreamResult,
    memory: IngestMemory,
    over: AbortSignal,
  ): Promise<{ stored: Ingested } | { error: unknown; fresh?: UpstreamResult | undefined } | undefined> {
    if (over.aborted) return undefined;
    active.downloading = true;
    try {
      const signal = AbortSignal.any([over, AbortSignal.timeout(FETCH_MS)]);
      const open: OpenVideo = async (offset) => {
        if (!provider) throw new NoAccount(`the account ${accountId} is not configured any more`);
        try {
          const opened = await openInTime(
            (inTime) => provider.open(handle, result, offset, inTime),
            signal,
            parts,
          );
          noteSilence(active, false, timers.monotonic());
          return opened;
        } catch (error) {
          noteSilence(active, !isOwnTrouble(error), timers.monotonic());
          throw error;
        }
      };
      return { stored: await ingest.ingest(active.task, open, memory, over) };
    } catch (error) {
      if (over.aborted) return undefined;
      if (!provider || isOurs(error)) return { error };
      // The link may have expired while the video still exists, so ask for a fresh one.
      return { error, fresh: await freshResult(provider, handle) };
    }
  }

  async function succeed(active: ActiveTask, { provider, handle }: Source, stored: Ingested): Promise<void> {
    const { media, ...kept } = stored;
    const event = { type: 'stored', ...kept } as const;
    if (!(await activeTasks.apply(active, event, { media, retryUntilWritten: true }))) return;
    // The video is stored here. Deleting the upstream's copy is best effort.
    await provider?.discard?.(handle, AbortSignal.timeout(settings.callTimeoutMs)).catch((error) => {
      log.warn(
        { event: 'upstream.discard_failed', task: active.task.id, err: error },
        'the upstream did not delete a downloaded video',
      );
    });
  }

  /** Polls for a fresh link: links expire sooner than the videos behind them. */
  async function freshResult(provider: Provider, handle: Handle): Promise<UpstreamResult | undefined> {
    try {
      const answer = await provider.poll(handle, AbortSignal.timeout(settings.callTimeoutMs));
      return answer.state === 'succeeded' ? answer.result : undefined;
    } catch {
      // The caller logs the failed fetch; this is best effort.
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
    await activeTasks.apply(
      active,
      { type: 'failed', error: lossOf(error), outcome: 'failed', detail },
      { retryUntilWritten: true },
    );
  }

  return async (active) => {
    await run(active);
    return undefined;
  };
}

/** A server that accepts the connection and never answers must not keep the place of other videos. */
async function openInTime(
  open: (signal: AbortSignal) => Promise<OpenedResult>,
  signal: AbortSignal,
  { timers, settings }: Pick<EngineParts, 'timers' | 'settings'>,
): Promise<OpenedResult> {
  const late = new AbortController();
  const cancel = timers.after(settings.callTimeoutMs, () =>
    late.abort(new UpstreamError('upstream_timeout', { detail: 'the server of the video does not answer' })),
  );
  try {
    return await open(AbortSignal.any([signal, late.signal]));
  } finally {
    cancel();
  }
}

/** Counts the failures of one download, and decides when its video counts as lost. */
function createFailures({ clock, timers, settings }: Pick<EngineParts, 'clock' | 'timers' | 'settings'>) {
  const patientUntil = later(timers.monotonic(), settings.downloadPatienceMs);
  const count = { failures: 0, fetches: 0, damaged: 0 };
  let failedSince: Moment | undefined;
  return {
    count,
    add(error: unknown): void {
      count.failures += 1;
      if (error instanceof DamagedVideo) count.damaged += 1;
      if (error instanceof FetchFailed) {
        count.fetches += 1;
        failedSince ??= timers.monotonic();
      }
    },
    /** Whether another try is pointless after `error`. */
    isLost(error: unknown, result: UpstreamResult, memory: IngestMemory): boolean {
      if (error instanceof TooLarge || count.damaged >= MAX_DAMAGED) return true;
      // Another download would deliver the same bytes.
      if (error instanceof DamagedVideo && error.problem === 'not_mp4') return true;
      if (timers.monotonic() >= patientUntil) return true;
      return (
        error instanceof FetchFailed &&
        count.fetches >= MIN_TRIES &&
        msBetween(failedSince ?? timers.monotonic(), timers.monotonic()) >= MIN_TRIED_MS &&
        // A storage that could not be read may have the video already.
        memory.earlier !== 'unknown' &&
        clock.now() >= (result.expiresAt ?? Number.POSITIVE_INFINITY)
      );
    },
  };
}

/** The error of a task whose video is lost. */
function lossOf(error: unknown): TaskError {
  // A truncated file may be complete upstream, so it was lost in transit. Any other damage means that the result is not a usable video.
  if (error instanceof DamagedVideo && error.problem !== 'truncated') {
    return taskError(
      'result_unusable',
      'The upstream delivered something that cannot be given as an MP4 video; you are not charged. Submit the task again, or use another model.',
    );
  }
  const what = isOurs(error)
    ? 'the gateway could not check and store it in time'
    : error instanceof TooLarge
      ? 'it is larger than the gateway takes'
      : 'it could not be fetched whole';
  return taskError(
    'result_lost',
    `The video was made upstream, but ${what}; you are not charged. Submit the task again.`,
  );
}

/**
 * Whether a failure is this gateway's own: the media checker, the disk, descriptors, memory, the database, the bucket or the
 * configuration. Only failed fetches and bytes that were found to be bad say anything about the video.
 */
const isOurs = (error: unknown): boolean =>
  !(error instanceof FetchFailed || error instanceof DamagedVideo || error instanceof TooLarge);

/** Delay before the next try. A file that keeps crashing the media checker backs off further, for the sake of other tasks. */
function backOff(error: unknown, failures: number): number {
  const checkerDied = error instanceof NativeCrash || error instanceof NativeTimeout;
  const most = checkerDied ? MAX_CHECKER_MS : MAX_RETRY_MS;
  const first = error instanceof DamagedVideo ? DAMAGED_AGAIN_MS : RETRY_MS;
  return Math.min(most, first * 2 ** Math.min(failures - 1, 10));
}
