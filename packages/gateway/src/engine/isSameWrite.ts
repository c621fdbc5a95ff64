import { isDeepStrictEqual } from 'node:util';
import type { Task } from '../tasks/task.ts';

/** Whether a write was made: what is stored is that write, or that write with a wish to cancel noted since. */
export function isSameWrite(stored: Task, tried: Task): boolean {
  if (stored.version <= tried.version) return isDeepStrictEqual(stored, tried);
  const { version: _stored, cancelRequestedAt: _noted, ...is } = stored;
  const { version: _tried, cancelRequestedAt: _before, ...was } = tried;
  return isDeepStrictEqual(is, was);
}
