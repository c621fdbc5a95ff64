import type { AccountState } from '../../limits/account.ts';
import { move } from '../../tasks/lifecycle.ts';
import type { Task, UpstreamResult } from '../../tasks/task.ts';
import { later, type Moment } from '../../time/clock.ts';
import type { EngineParts } from '../parts.ts';
import { handleOf } from '../stages/poll.ts';

/**
 * Follows jobs that were still going when their task was failed as expired. The task stays failed and free, but the
 * upstream may finish, and bill, all the same: that is stopped where it can be, and otherwise told and kept.
 */
export interface LateResults {
  /** Takes up what other processes were following: those of the past, and those of nodes that may have died. */
  start(): Promise<void>;
  watch(task: Task): void;
  stop(): void;
}

interface LateParts extends EngineParts {
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

/** Nobody waits any more: first soon, then ever more rarely. Milliseconds. */
const FIRST_LOOK_MS = 60_000;
const MAX_LOOK_MS = 3_600_000;
/** Upstreams forget jobs and links after two days at most (Gemini API); most after one. Milliseconds. */
const FOLLOW_MS = 48 * 3_600_000;
/** Tasks taken up at a start: more would be a flood of questions about what nobody waits for. */
const MAX_TAKEN_UP = 1000;

export function createLateResults(parts: LateParts): LateResults {
  const { store, clock, timers, settings, log, accountStates } = parts;
  const pending = new Map<string, () => void>();
  let stopped = false;

  /** What is left of the time that a task is followed; a clock that was set back since does not lengthen it. */
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
      const answer = await provider.ask(handle, AbortSignal.timeout(settings.callTimeoutMs));
      // One that is missing may be known again once an incident upstream is over.
      if (answer.state === 'queued' || answer.state === 'in_progress' || answer.state === 'missing')
        return again();
      if (answer.state === 'succeeded') await note(task, answer.result);
    } catch (error) {
      if (stopped) return;
      log.debug(
        { event: 'upstream.poll_failed', task: task.id, err: error },
        'polling an expired task failed',
      );
      again();
    }
  }

  async function note(task: Task, result: UpstreamResult): Promise<void> {
    const noted = move(task, { type: 'finished_late', result }, clock.now());
    if (!noted || !(await store.commit(noted))) return;
    const { accountId, upstreamId } = task.attempt ?? {};
    log.warn(
      { event: 'task.finished_late', task: task.id, account: accountId, upstreamId },
      'the upstream finished a video after its task had expired, and may bill it; raise ONETAKE_TASK_DEADLINE_MINUTES if this recurs',
    );
  }

  /** What nobody waits for should not be paid for either. */
  async function stopUpstream(task: Task): Promise<void> {
    const provider = accountStates.get(task.attempt?.accountId ?? '')?.account.provider;
    const handle = handleOf(task.attempt);
    if (!provider?.cancel || !handle) return;
    try {
      await provider.cancel(handle, AbortSignal.timeout(settings.callTimeoutMs));
    } catch (error) {
      log.info(
        { event: 'upstream.cancel_failed', task: task.id, err: error },
        'cannot cancel an expired task upstream',
      );
    }
  }

  return {
    async start() {
      for (const task of await store.expiredSince(clock.now() - FOLLOW_MS, MAX_TAKEN_UP)) {
        if (!pending.has(task.id)) schedule(task, FIRST_LOOK_MS, untilWhen(task));
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
