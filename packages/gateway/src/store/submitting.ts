import type { Move } from '../tasks/lifecycle.ts';
import { promptKey } from '../tasks/likeness.ts';
import type { Task } from '../tasks/task.ts';
import type { RowKind } from './readRows.ts';
import { requestFrom, type TaskRow } from './tables.ts';

/** The upstream job that a move claims for its attempt. */
export function claimOf({ task }: Move): { accountId: string; upstreamId: string; number: number } {
  const { attempt } = task;
  if (attempt?.upstreamId === undefined)
    throw new Error(`the move of ${task.id} to ${task.phase} claims no upstream id`);
  return { accountId: attempt.accountId, upstreamId: attempt.upstreamId, number: attempt.number };
}

/** The columns of a stored task that show whether its job could be mistaken for that of another task. */
export const ASKED: RowKind<
  Pick<TaskRow, 'id' | 'version' | 'owner' | 'request'>,
  { readonly id: string; readonly version: number; readonly owner: string; readonly prompt: string }
> = {
  table: 'tasks',
  parse: ({ id, version, owner, request }) => ({ id, version, owner, prompt: requestFrom(request).prompt }),
};

/** Whether an upstream's list of jobs may not distinguish a prompt from that of `task`. */
export function asksLike({ request }: Task): (asked: { readonly prompt: string }) => boolean {
  const key = promptKey(request.prompt);
  return ({ prompt }) => promptKey(prompt) === key;
}
