import { move } from '../../tasks/lifecycle.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import type { EngineParts } from '../parts.ts';
import { tooLate } from './cancel.ts';

/** How long a caller waits for the task's own driver to carry out the wish. Milliseconds. */
const PATIENCE_MS = 10_000;
/** Tries to note the wish while the driver moves the task at the same time. */
const TRIES = 20;

/**
 * Cancels a task that another node drives: the wish is written to the task, where its driver finds it whatever happens.
 * Resolves with the task once it is over, or as it is when the driver has not answered yet. Throws a 409 where the driver
 * could not cancel it.
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

  function outcomeOf(wished: Task): Promise<Task> {
    return new Promise((resolve, reject) => {
      let seen = wished;
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
      // What happened between the write and the listening.
      store.task(task.id).then(
        (latest) => latest && look(latest),
        () => undefined,
      );
    });
  }
}
