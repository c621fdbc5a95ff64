import { randomUUID } from 'node:crypto';
import { mkdir, open, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { explained, isMissing, syncFolder } from './filesDisk.ts';
import { openFileWrite } from './filesWrite.ts';
import type { MediaStat, MediaStorage } from './media.ts';

/** A kind and a name of our own making. Without dots and slashes in the name there is no way out of the folder. */
const KEY = /^[a-z]{1,32}\/[A-Za-z0-9_-]{1,128}\.[a-z0-9]{1,8}$/;

/** What `check` writes: enough that a full disk refuses it. */
const PROBE = Buffer.alloc(4096, 1);

/**
 * Media as files: `<root>/video/<id>.mp4`, and `….mp4.part` beside it while it is being written. A full disk and missing
 * permissions surface as a 503 that says what the operator must do.
 */
export function createFileStorage(options: { root: string }): MediaStorage {
  const root = resolve(options.root);
  const busy = new Set<string>();

  function pathOf(key: string): string {
    if (!KEY.test(key)) throw new Error(`"${key}" is not a media key; keys look like video/<id>.mp4`);
    return join(root, key);
  }

  const partOf = (path: string): string => `${path}.part`;

  return {
    async write(key) {
      const path = pathOf(key);
      return explained(async () => {
        await makeFolder(dirname(path));
        return openFileWrite({ key, path, part: partOf(path), busy });
      });
    },

    async stat(key) {
      const path = pathOf(key);
      return explained(() => statOf(path));
    },

    async read(key, range) {
      const path = pathOf(key);
      const file = await explained(() => openObject(key, path));
      // The empty range that an empty object has: a stream cannot be asked for it.
      if (range && range.end < range.start) {
        await file.close();
        return Readable.from([]);
      }
      return file.createReadStream(range ?? {});
    },

    async remove(key) {
      const path = pathOf(key);
      await explained(async () => {
        await rm(partOf(path), { force: true });
        if (!(await statOf(path))) return;
        await rm(path, { force: true });
        await syncFolder(dirname(path));
      });
    },

    async withLocalFile(key, use) {
      const path = pathOf(key);
      if (!(await explained(() => statOf(path)))) throw missing(key);
      return use(path);
    },

    async check() {
      await explained(async () => {
        await makeFolder(root);
        const path = join(root, `.check-${randomUUID()}`);
        try {
          const file = await open(path, 'wx');
          try {
            await file.writeFile(PROBE);
            await file.sync();
          } finally {
            await file.close();
          }
        } finally {
          await rm(path, { force: true });
        }
      });
    },
  };
}

async function openObject(key: string, path: string) {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw isMissing(error) ? missing(key) : error;
  }
}

const missing = (key: string): Error => new Error(`there is no ${key} in media storage`);

async function statOf(path: string): Promise<MediaStat | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { bytes: size, modifiedAt: Math.floor(mtimeMs) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Makes a folder and those above it; like a file's, a folder's name is durable once the folder above is synced. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}
