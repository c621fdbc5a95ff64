import type { Move } from '../tasks/lifecycle.ts';
import type { Task } from '../tasks/task.ts';
import type { TaskColumns } from './rows.ts';

/** The job that a move claims for its attempt. */
export function claimOf({ task }: Move): { accountId: string; upstreamId: string; number: number } {
  const { attempt } = task;
  if (attempt?.upstreamId === undefined)
    throw new Error(`the move of ${task.id} to ${task.phase} claims no upstream id`);
  return { accountId: attempt.accountId, upstreamId: attempt.upstreamId, number: attempt.number };
}

/** Whether a stored task asks for the same words as `task`. */
export function asksLike({ request: { prompt } }: Task): (row: Pick<TaskColumns, 'request'>) => boolean {
  return ({ request }) => JSON.parse(request).prompt === prompt;
}
