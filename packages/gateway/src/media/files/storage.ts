import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { unreadStream } from '../../net/unreadStream.ts';
import { type Clock, systemClock } from '../../time/clock.ts';
import type { DiskSpace } from '../diskSpace.ts';
import { MissingObject, requireMediaKey } from '../key.ts';
import type { MediaStat, MediaStorage } from '../media.ts';
import { createBlockBuffers } from './blockBuffers.ts';
import { createFolderSync, explained, type FolderSync, isMissing, makeFolder } from './disk.ts';
import { FileBytes } from './fileBytes.ts';
import { listFiles, removeOldFiles } from './list.ts';
import { openFileWrite, type Publication, removeStaged, stagedFileOf } from './write.ts';

/** The bytes that `check` writes: enough to fail on a full disk. */
const PROBE = Buffer.alloc(4096, 1);

interface FileStorageOptions {
  readonly root: string;
  readonly space?: DiskSpace | undefined;
  /** The clock of the machine that keeps the times of files. */
  readonly clock?: Clock;
}

/**
 * Stores media as files: `<root>/video/<id>.mp4`, and `….mp4.part` beside it during a write. A full disk or missing
 * permissions become a 503 that says what the operator must do.
 */
export function createFileStorage({ clock = systemClock, ...options }: FileStorageOptions): MediaStorage {
  const root = resolve(options.root);
  const busy = new Set<string>();
  const buffers = createBlockBuffers();
  const syncFolder = createFolderSync();

  function pathOf(key: string): string {
    requireMediaKey(key);
    return join(root, key);
  }

  const partOf = (path: string): string => `${path}.part`;

  return {
    async write(key) {
      const path = pathOf(key);
      return explained(async () => {
        await makeFolder(dirname(path));
        return openFileWrite({
          key,
          part: partOf(path),
          busy,
          space: options.space,
          publish: (publication) => moveInto(pathOf(publication.key), publication, syncFolder),
        });
      });
    },

    async stat(key) {
      const path = pathOf(key);
      return explained(() => statOf(path));
    },

    async read(key, range) {
      const path = pathOf(key);
      return explained(async () => {
        const file = await openObject(key, path);
        try {
          const { size, version } = await factsOf(file, clock);
          const { start, end } = range ?? { start: 0, end: size - 1 };
          const versionNow = async () => (await factsOf(file, clock)).version;
          return unreadStream(new FileBytes({ file, start, end: end + 1, buffers, version, versionNow }));
        } catch (error) {
          await file.close();
          throw error;
        }
      });
    },

    async remove(key) {
      const path = pathOf(key);
      await explained(async () => {
        await removeStaged(partOf(path));
        if (!(await statOf(path))) return;
        await rm(path, { force: true });
        await syncFolder(dirname(path));
      });
    },

    async withLocalFile(key, use) {
      const path = pathOf(key);
      if (!(await explained(() => statOf(path)))) throw new MissingObject(key);
      return use(path);
    },

    list: (after) => listFiles(root, after),

    removeLeftovers: (before, isNeeded) =>
      removeOldFiles(root, before, async (path) => {
        const part = stagedFileOf(path);
        if (part === undefined) return false;
        const key = relative(root, part).slice(0, -'.part'.length);
        return !busy.has(key) && !(await isNeeded?.(key));
      }),

    // Nothing to do: the lock of the database in the same folder already keeps other gateways out.
    claim: async () => undefined,

    async check() {
      await explained(async () => {
        await makeFolder(root);
        await options.space?.requireRoom(PROBE.length);
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
    throw isMissing(error) ? new MissingObject(key) : error;
  }
}

/** A file that was changed this recently may be changed again without another time. Milliseconds. */
const SETTLED_MS = 1000;

/** The length of an open file, and what tells its present bytes from any later ones. */
async function factsOf(file: FileHandle, clock: Clock) {
  const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = await file.stat({ bigint: true });
  const isSettled = clock.now() - Number(ctimeMs) >= SETTLED_MS;
  return {
    size: Number(size),
    version: isSettled ? [dev, ino, size, mtimeNs, ctimeNs].join(' ') : undefined,
  };
}

/** Renames the file. It survives a power failure if its bytes are synced before, and its folder after. */
function moveInto(
  path: string,
  { file, staged, synced, gather }: Publication,
  syncFolder: FolderSync,
): Promise<MediaStat> {
  return explained(async () => {
    if (synced) await file.sync();
    await rename(staged, path);
    if (synced) await syncFolder(dirname(path), gather);
    const { size, mtimeMs } = await file.stat();
    return { bytes: size, modifiedAt: Math.floor(mtimeMs) };
  });
}

async function statOf(path: string): Promise<MediaStat | undefined> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { bytes: size, modifiedAt: Math.floor(mtimeMs) };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
