import type { Acceptance, Store } from '../../src/store/store.ts';
import { type Event, type Move, move } from '../../src/tasks/lifecycle.ts';
import type { Task } from '../../src/tasks/task.ts';
import { anAcceptance, aTask, START_OF_TIME } from '../support/builders.ts';

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

/** The move that `event` makes of a task. */
export function moved(task: Task, event: Event, now = START_OF_TIME + 1000): Move {
  const made = move(task, event, now);
  if (!made) throw new Error(`${event.type} is not legal for a task that is ${task.phase}`);
  return made;
}
