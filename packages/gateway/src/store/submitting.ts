import type { Move } from '../tasks/lifecycle.ts';
import { promptKey } from '../tasks/likeness.ts';
import type { Task } from '../tasks/task.ts';
import type { TaskColumns } from './rows.ts';

/** The job that a move claims for its attempt. */
export function claimOf({ task }: Move): { accountId: string; upstreamId: string; number: number } {
  const { attempt } = task;
  if (attempt?.upstreamId === undefined)
    throw new Error(`the move of ${task.id} to ${task.phase} claims no upstream id`);
  return { accountId: attempt.accountId, upstreamId: attempt.upstreamId, number: attempt.number };
}

/** Whether a stored task asks for words that an upstream's list may not tell from those of `task`. */
export function asksLike({ request: { prompt } }: Task): (row: Pick<TaskColumns, 'request'>) => boolean {
  const key = promptKey(prompt);
  return ({ request }) => promptKey(JSON.parse(request).prompt) === key;
}
