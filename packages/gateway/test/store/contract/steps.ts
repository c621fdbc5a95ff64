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

export const FAILED = {
  type: 'failed',
  error: { code: 500, reason: 'internal_error', message: '' },
  outcome: 'failed',
} as const satisfies Event;

/** The end of a task whose video is shorter than it should be. */
export const SHORT = {
  type: 'stored',
  result: {
    videoId: 'video',
    bytes: 1,
    sha256: '0'.repeat(64),
    duration: 1,
    width: 1280,
    height: 720,
    videoCodec: 'h264',
    expiresAt: START_OF_TIME + 1_000_000,
  },
} as const satisfies Event;

/** A task whose video is being fetched. */
export async function storing(
  store: Store,
  more: Partial<Acceptance> = {},
  changes: Partial<Task> = {},
): Promise<Task> {
  let task = await accepted(store, changes, more);
  const steps: readonly Event[] = [
    { ...INTENT, idempotencyKey: newId() },
    { type: 'submit_confirmed', upstreamId: newId(), working: false },
    { type: 'upstream_succeeded', result: { ref: 'there' } },
  ];
  for (const step of steps) {
    const made = moved(task, step);
    if (!(await store.commit(made))) throw new Error(`${task.id} could not be moved`);
    task = made.task;
  }
  return task;
}
