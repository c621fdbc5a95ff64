import { move } from '../../tasks/lifecycle.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import type { EngineParts } from '../parts.ts';
import { tooLate } from '../stages/cancel.ts';
import { tryEach } from './eachAlone.ts';

/** Deletes a finished task's prompt, inputs and video. Its ledger entries stay. Throws a 409 if it is not finished. */
export async function removeTask(
  parts: Pick<EngineParts, 'store' | 'storage' | 'feed' | 'clock'>,
  task: Task,
): Promise<void> {
  const { store, storage, feed, clock } = parts;
  if (!isTerminal(task.phase)) throw tooLate(task, 'is not finished; cancel it first');
  const now = clock.now();
  const deleted = move(task, { type: 'deleted' }, now);
  if (!deleted) return;
  const rows = await store.mediaOf(task.id);
  // The same write expires the media, so that the sweep removes what cannot be removed below.
  const expired = rows.map((row) => ({ ...row, expiresAt: now }));
  if (!(await store.commit(deleted, expired))) {
    // Meanwhile another node deleted the task or recorded a late result.
    const stored = await store.task(task.id);
    return stored && removeTask(parts, stored);
  }
  feed.publish({ task: deleted.task, transition: true });
  const errors: unknown[] = [];
  const gone = await tryEach(
    rows,
    ({ storageKey }) => storage.remove(storageKey),
    (_row, error) => errors.push(error),
  );
  await store.removeMedia(gone.map((row) => row.id));
  // The caller gets the error; the sweep retries the removal.
  if (errors.length > 0) throw errors[0];
}
