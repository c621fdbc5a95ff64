import { isDeepStrictEqual } from 'node:util';
import type { Task } from '../tasks/task.ts';

/** Whether the stored task is the result of the write that was tried, with or without a cancel request stored after it. */
export function isSameWrite(stored: Task, tried: Task): boolean {
  if (stored.version <= tried.version) return isDeepStrictEqual(stored, tried);
  const { version: _stored, cancelRequestedAt: _noted, ...is } = stored;
  const { version: _tried, cancelRequestedAt: _before, ...was } = tried;
  return isDeepStrictEqual(is, was);
}
