import type { AccountState } from '../../limits/account.ts';
import { move } from '../../tasks/lifecycle.ts';
import type { Task, UpstreamResult } from '../../tasks/task.ts';
import { later, type Moment } from '../../time/clock.ts';
import type { AccountPool } from '../accountPool.ts';
import { handleOf } from '../job.ts';
import type { EngineParts } from '../parts.ts';

/**
 * Follows upstream jobs that were still running when their task expired. The task stays failed and is not charged, but the
 * upstream may still finish and bill the job: it is cancelled if possible, and otherwise a late result is logged and stored.
 */
export interface LateResults {
  /** Resumes following the jobs of earlier processes and of nodes that may have died. Never rejects. */
  start(): Promise<void>;
  watch(task: Task): void;
  stop(): void;
}

interface LateParts extends EngineParts {
  readonly accountStates: ReadonlyMap<string, AccountState>;
  readonly pool: Pick<AccountPool, 'moved'>;
}

/** Delay of the first poll, and the maximum that it doubles up to: no client waits any more. Milliseconds. */
const FIRST_LOOK_MS = 60_000;
const MAX_LOOK_MS = 3_600_000;
/** Upstreams forget jobs and links after two days at most (Gemini API); most after one. Milliseconds. */
const FOLLOW_MS = 48 * 3_600_000;
/** Maximum number of tasks resumed at a start, to limit polls that no client waits for. */
const MAX_RESUMED = 1000;

export function createLateResults(parts: LateParts): LateResults {
  const { store, clock, timers, settings, log, accountStates, pool } = parts;
  const pending = new Map<string, () => void>();
  let stopped = false;

  /** Until when a task is followed. A clock that was set back does not extend it. */
  function untilWhen({ completedAt }: Task): Moment {
    const now = clock.now();
    return later(timers.monotonic(), Math.min(FOLLOW_MS, (completedAt ?? now) + FOLLOW_MS - now));
  }

  function schedule(task: Task, delay: number, until: Moment): void {
    if (stopped || later(timers.monotonic(), delay) > until) return;
    const cancel = timers.after(delay, () => {
      pending.delete(task.id);
      void look(task, delay, until);
    });
    pending.get(task.id)?.();
    pending.set(task.id, cancel);
  }

  async function look(task: Task, delay: number, until: Moment): Promise<void> {
    const again = () => schedule(task, Math.min(MAX_LOOK_MS, delay * 2), until);
    const provider = accountStates.get(task.attempt?.accountId ?? '')?.account.provider;
    const handle = handleOf(task.attempt);
    if (!provider || !handle) return;
    try {
      const answer = await provider.poll(handle, AbortSignal.timeout(settings.callTimeoutMs));
      // A missing job may reappear after an incident upstream.
      if (answer.state === 'queued' || answer.state === 'in_progress' || answer.state === 'missing')
        return again();
      if (answer.state === 'succeeded') await recordResult(task, answer.result);
      else await recordEnd(task);
    } catch (error) {
      if (stopped) return;
      log.debug(
        { event: 'upstream.poll_failed', task: task.id, err: error },
        'polling an expired task failed',
      );
      again();
    }
  }

  async function recordResult(task: Task, result: UpstreamResult): Promise<void> {
    const noted = move(task, { type: 'finished_late', result }, clock.now());
    if (!noted || !(await store.commit(noted))) return;
    pool.moved(noted);
    const { accountId, upstreamId } = task.attempt ?? {};
    log.warn(
      { event: 'task.finished_late', task: task.id, account: accountId, upstreamId },
      'the upstream finished a video after its task had expired, and may bill it; raise ONETAKE_TASK_DEADLINE_MINUTES if this recurs',
    );
  }

  /** The job ended without a video, so that it does not count towards the limits of the account any more. */
  async function recordEnd(task: Task): Promise<void> {
    pending.get(task.id)?.();
    const noted = move(task, { type: 'ended_late' }, clock.now());
    if (noted && (await store.commit(noted))) pool.moved(noted);
  }

  /** Cancels the job upstream, so that it is not billed. */
  async function stopUpstream(task: Task): Promise<void> {
    const provider = accountStates.get(task.attempt?.accountId ?? '')?.account.provider;
    const handle = handleOf(task.attempt);
    if (!provider?.cancel || !handle) return;
    try {
      const outcome = await provider.cancel(handle, AbortSignal.timeout(settings.callTimeoutMs));
      if (outcome === 'cancelled') await recordEnd(task);
    } catch (error) {
      log.info(
        { event: 'upstream.cancel_failed', task: task.id, err: error },
        'cannot cancel an expired task upstream',
      );
    }
  }

  return {
    async start() {
      try {
        for (const task of await store.expiredSince(clock.now() - FOLLOW_MS, MAX_RESUMED)) {
          if (!pending.has(task.id)) schedule(task, FIRST_LOOK_MS, untilWhen(task));
        }
      } catch (error) {
        log.warn({ event: 'task.late_results_failed', err: error }, 'following expired tasks failed');
      }
    },
    watch(task) {
      void stopUpstream(task);
      schedule(task, FIRST_LOOK_MS, untilWhen(task));
    },
    stop() {
      stopped = true;
      for (const cancel of pending.values()) cancel();
    },
  };
}
