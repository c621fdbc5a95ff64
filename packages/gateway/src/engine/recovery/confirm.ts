import { type Event, move } from '../../tasks/lifecycle.ts';
import { later } from '../../time/clock.ts';
import type { ActiveTask } from '../activeTask.ts';
import type { ActiveTasks } from '../activeTasks.ts';
import type { EngineParts } from '../parts.ts';
import { createStoreRetry } from '../storeRetry.ts';

/**
 * Stores the upstream id of a submission, for this node or for the one that drives the task by now. `attempt` is the number of the
 * submitted attempt: the task may have another one by now, or have ended. Throws `UpstreamIdTaken` if the job belongs to
 * another attempt.
 */
export type Confirm = (
  active: ActiveTask,
  attempt: number,
  upstreamId: string,
  working: boolean,
) => Promise<void>;

type SubmitConfirmed = Extract<Event, { type: 'submit_confirmed' }>;

interface ConfirmParts extends Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers' | 'log'> {
  readonly activeTasks: ActiveTasks;
  readonly stopping: AbortSignal;
}

/** How long it is tried to store an upstream id that only this node knows, and the most time between two tries. Milliseconds. */
const CONFIRM_MS = 1_800_000;
export const CONFIRM_AGAIN_MS = 5000;

export function createConfirm({
  activeTasks,
  store,
  feed,
  clock,
  timers,
  log,
  stopping,
}: ConfirmParts): Confirm {
  const retry = createStoreRetry(timers, log);
  stopping.addEventListener('abort', retry.stop);

  /** Writes the id into the stored task. False if the task was written by another node meanwhile. */
  async function write(id: string, attempt: number, confirmed: SubmitConfirmed): Promise<boolean> {
    const about = { task: id, upstreamId: confirmed.upstreamId };
    const stored = await store.task(id);
    const waits = stored?.phase === 'submitting' && stored.attempt?.number === attempt;
    if (!stored || !waits) {
      if (stored?.attempt?.upstreamId === confirmed.upstreamId) return true;
      log.error(
        { event: 'upstream.job_abandoned', ...about },
        'the upstream accepted a task that had ended meanwhile; it may bill a job that nobody follows',
      );
      return true;
    }
    const next = move(stored, confirmed, clock.now());
    const outcome = next ? await store.claim(next) : 'lost';
    if (outcome === 'taken') {
      log.error({ event: 'upstream.job_taken', ...about }, 'upstream job already belongs to another task');
      return true;
    }
    if (!next || outcome === 'lost') return false;
    log.info(
      { event: 'task.confirmed_late', ...about },
      'recorded the upstream id of a task for the node that drives it now',
    );
    feed.publish({ task: next.task, transition: true });
    return true;
  }

  /**
   * Stores the upstream id for the node that drives the task now. This node lost its lease during the call and is the only one
   * that knows the id; without it the driver would have to search for the job, or give up.
   */
  async function confirmForOwner(id: string, attempt: number, event: SubmitConfirmed): Promise<void> {
    // Whether work has started is left to the driver, which may still report an earlier state to clients.
    const confirmed = { ...event, working: false };
    const until = later(timers.monotonic(), CONFIRM_MS);
    do {
      try {
        if (await write(id, attempt, confirmed)) break;
      } catch (err) {
        await retry.wait(id, { event: 'task.confirm_failed', transition: event.type, err });
      }
    } while (!stopping.aborted && timers.monotonic() < until);
    retry.ended(id);
  }

  return async (active, attempt, upstreamId, working) => {
    const event = { type: 'submit_confirmed', upstreamId, working } as const;
    const options = { retryUntilWritten: true, claim: true, attempt };
    if (!(await activeTasks.apply(active, event, options)))
      await confirmForOwner(active.task.id, attempt, event);
  };
}
