import { readdirSync, readFileSync } from 'node:fs';

/** Whether this system can list the children of a process. */
export const tellsChildren = process.platform === 'linux';

/** Process ids of the children of this process. Linux only. */
export function childrenOfThis(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}
