import type { Task } from '../tasks/task.ts';
import type { Accepted } from './store.ts';

/**
 * The outcome where a task with this id is there already. It is the very task: an earlier try wrote it and its answer was
 * lost on the way. Throws where it is another one, which is a defect of whoever made the id.
 */
export function acceptedBefore(stored: Task, given: Task): Accepted {
  const same =
    stored.projectId === given.projectId &&
    stored.keyId === given.keyId &&
    stored.createdAt === given.createdAt;
  if (!same) throw new Error(`the id ${given.id} belongs to another task already`);
  return { outcome: 'accepted' };
}
