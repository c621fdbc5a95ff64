import type { Dirent } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMediaKey } from '../key.ts';
import type { MediaObject } from '../media.ts';
import { explained, isMissing } from './disk.ts';

/** Lists the objects below `root` in the order of their keys. */
export async function* listFiles(root: string, after = ''): AsyncGenerator<MediaObject> {
  for (const kind of await foldersIn(root)) {
    for (const name of await namesIn(join(root, kind))) {
      const key = `${kind}/${name}`;
      if (key <= after || !isMediaKey(key)) continue;
      const facts = await statOf(join(root, key));
      // It was removed after its folder was read.
      if (facts) yield { key, bytes: facts.size, modifiedAt: Math.floor(facts.mtimeMs) };
    }
  }
}

/** Removes files, one folder below `root`, that were last modified before `before`. Resolves with their number. */
export async function removeOldFiles(
  root: string,
  before: number,
  isLeftover: (path: string) => boolean | Promise<boolean> = () => true,
): Promise<number> {
  let removed = 0;
  for (const folder of await foldersIn(root)) {
    for (const name of await namesIn(join(root, folder))) {
      const path = join(root, folder, name);
      const facts = await statOf(path);
      if (!facts?.isFile() || facts.mtimeMs >= before || !(await isLeftover(path))) continue;
      await explained(() => rm(path, { force: true }));
      removed += 1;
    }
  }
  return removed;
}

const foldersIn = (root: string): Promise<readonly string[]> => namesIn(root, (entry) => entry.isDirectory());

/** Names in byte order. Keys are ASCII, so the order of UTF-16 is the same. Empty if the folder does not exist. */
function namesIn(folder: string, isWanted = (_entry: Dirent) => true): Promise<readonly string[]> {
  return explained(async () => {
    try {
      const entries = await readdir(folder, { withFileTypes: true });
      return entries
        .filter(isWanted)
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  });
}

async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
