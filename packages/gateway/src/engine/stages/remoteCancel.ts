import { move } from '../../tasks/lifecycle.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import type { EngineParts } from '../parts.ts';
import { tooLate } from './cancel.ts';

/** How long a request waits for the node that drives the task to execute the cancel request. Milliseconds. */
const PATIENCE_MS = 10_000;
/** Tries to store the cancel request while the driver writes transitions concurrently. */
const TRIES = 20;

/**
 * Cancels a task that another node drives. The cancel request is stored in the task, where any driver finds it. Resolves with
 * the task once it has ended, or as it is after `PATIENCE_MS`. Throws a 409 if the driver could not cancel it.
 */
export async function cancelRemotely(
  { store, feed, clock, timers }: Pick<EngineParts, 'store' | 'feed' | 'clock' | 'timers'>,
  task: Task,
): Promise<Task> {
  let current = task;
  for (let tries = 0; current.cancelRequestedAt === undefined && !isTerminal(current.phase); tries++) {
    const wish = move(current, { type: 'cancel_requested' }, clock.now());
    if (!wish || tries === TRIES) {
      throw tooLate(current, 'is finished upstream and is being stored; delete it once it has succeeded');
    }
    const noted = await store.commit(wish);
    if (noted) feed.publish({ task: wish.task, transition: true });
    current = noted ? wish.task : ((await store.task(task.id)) ?? current);
  }
  return outcomeOf(current);

  function outcomeOf(requested: Task): Promise<Task> {
    return new Promise((resolve, reject) => {
      let seen = requested;
      const done = () => {
        stop();
        cancelTimer();
        if (seen.error?.reason === 'cancelled') resolve(seen);
        else if (isTerminal(seen.phase)) reject(tooLate(seen, `has ${seen.phase} already`));
        else if (seen.cancelRequestedAt === undefined) {
          reject(tooLate(seen, 'is past the point where its provider can stop it; it will finish'));
        } else resolve(seen);
      };
      const look = (latest: Task) => {
        if (latest.version >= seen.version) seen = latest;
        if (isTerminal(seen.phase) || seen.cancelRequestedAt === undefined) done();
      };
      const stop = feed.onTask(task.id, (change) => look(change.task));
      const cancelTimer = timers.after(PATIENCE_MS, done);
      // Changes between the write and the subscription.
      store.task(task.id).then(
        (latest) => latest && look(latest),
        () => undefined,
      );
    });
  }
}
