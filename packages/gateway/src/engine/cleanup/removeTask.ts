import { move } from '../../tasks/lifecycle.ts';
import { isTerminal, type Task } from '../../tasks/task.ts';
import type { EngineParts } from '../parts.ts';
import { tooLate } from '../stages/cancel.ts';
import { eachAlone } from './eachAlone.ts';

/** Deletes a finished task's words, inputs and video; its ledger stays. Throws a 409 where it is not finished. */
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
  // Expired with the same write: what is not removed below, the sweep removes.
  const expired = rows.map((row) => ({ ...row, expiresAt: now }));
  if (!(await store.commit(deleted, expired))) {
    // Deleted at another node meanwhile, or noted as finished late.
    const stored = await store.task(task.id);
    return stored && removeTask(parts, stored);
  }
  feed.publish({ task: deleted.task, transition: true });
  const errors: unknown[] = [];
  const gone = await eachAlone(
    rows,
    ({ storageKey }) => storage.remove(storageKey),
    (_row, error) => errors.push(error),
  );
  await store.removeMedia(gone.map((row) => row.id));
  // The caller is told; the sweep goes on.
  if (errors.length > 0) throw errors[0];
}
