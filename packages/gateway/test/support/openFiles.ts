import { existsSync } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';

/** Whether `openFilesIn` works on this machine: on Linux. */
export const LISTS_OPEN_FILES = existsSync('/proc/self/fd');

/** The files of a folder that this process has open, and the folder itself if it is open. */
export async function openFilesIn(folder: string): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd');
  const paths = await Promise.all(
    descriptors.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
  );
  return paths.filter((path) => path.startsWith(folder));
}
