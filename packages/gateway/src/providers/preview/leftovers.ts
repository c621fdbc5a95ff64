import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Longer than any task may take (`ONETAKE_TASK_DEADLINE_MINUTES` is a week at most). Milliseconds. */
const OLD_MS = 8 * 86_400_000;

/** Files of a job: its key, then what it is. */
const JOB_FILE = /^[0-9a-f]{32}\./;

/** Removes the files of jobs that another node took over, or that a crash left behind. */
export async function removeLeftovers(dir: string, now: number): Promise<void> {
  for (const name of await readdir(dir).catch(() => [])) {
    if (!JOB_FILE.test(name)) continue;
    const path = join(dir, name);
    const age = now - (await stat(path).catch(() => ({ mtimeMs: now }))).mtimeMs;
    if (age > OLD_MS) await rm(path, { force: true });
  }
}
