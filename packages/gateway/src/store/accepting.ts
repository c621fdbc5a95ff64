import type { Task } from '../tasks/task.ts';
import type { Accepted } from './store.ts';

/**
 * The outcome if a task with this id already exists: an earlier try has written it, and the response was lost. Throws if it is a
 * different task, whose id should have been unique.
 */
export function acceptedBefore(stored: Task, given: Task): Accepted {
  const same =
    stored.projectId === given.projectId &&
    stored.keyId === given.keyId &&
    stored.createdAt === given.createdAt;
  if (!same) throw new Error(`the id ${given.id} already belongs to another task`);
  return { outcome: 'accepted' };
}
