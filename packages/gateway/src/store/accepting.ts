import type { Task } from '../tasks/task.ts';

type Origin = Pick<Task, 'projectId' | 'keyId' | 'createdAt'>;

/**
 * The outcome if a task with this id already exists: an earlier try has written it, and the response was lost. Throws if it is a
 * different task, whose id should have been unique.
 */
export function acceptedBefore(
  stored: Origin,
  given: Origin & Pick<Task, 'id'>,
): { readonly outcome: 'accepted' } {
  const same =
    stored.projectId === given.projectId &&
    stored.keyId === given.keyId &&
    stored.createdAt === given.createdAt;
  if (!same) throw new Error(`the id ${given.id} already belongs to another task`);
  return { outcome: 'accepted' };
}
