import type { Acceptance, Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, type Move, move } from '../../../src/tasks/lifecycle.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';

/** A task that the store has accepted. */
export async function accepted(
  store: Store,
  changes: Partial<Task> = {},
  more: Partial<Acceptance> = {},
): Promise<Task> {
  const task = aTask(changes);
  await store.accept(anAcceptance(task, more));
  return task;
}

export const INTENT = {
  type: 'submit_intended',
  accountId: 'account',
  idempotencyKey: '1'.repeat(32),
  upstreamModel: 'model',
} as const satisfies Event;

/** A task that is being submitted, with an idempotency key of its own. */
export async function intended(
  store: Store,
  changes: Partial<Omit<Extract<Event, { type: 'submit_intended' }>, 'type'>> = {},
  task: Partial<Task> = {},
): Promise<Task> {
  const made = moved(await accepted(store, task), { ...INTENT, idempotencyKey: newId(), ...changes });
  if (!(await store.commit(made))) throw new Error(`${made.task.id} could not be moved`);
  return made.task;
}

/** The move of a task by `event`. */
export function moved(task: Task, event: Event, now = START_OF_TIME + 1000): Move {
  const made = move(task, event, now);
  if (!made) throw new Error(`${event.type} is not legal for a task that is ${task.phase}`);
  return made;
}
