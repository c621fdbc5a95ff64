import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OnetakeError } from '../../tasks/errors.ts';

/** Syncs a folder, so that files created, renamed or removed in it are durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** How long a sync that others may share waits for them. Milliseconds. */
const GATHER_MS = 25;

/** Syncs a folder. With `gather`, others are soon to ask for the same. */
export type FolderSync = (folder: string, gather?: boolean) => Promise<void>;

/**
 * Syncs folders like `syncFolder`, once for all who ask while another sync of the same folder runs, or gathers: each needs one that begins
 * after its own change.
 */
export function createFolderSync(
  sync = syncFolder,
  pause: () => Promise<void> = () => sleep(GATHER_MS),
): FolderSync {
  const running = new Map<string, Promise<void>>();
  const next = new Map<string, Promise<void>>();

  function run(folder: string): Promise<void> {
    next.delete(folder);
    const syncing = sync(folder).finally(() => running.delete(folder));
    running.set(folder, syncing);
    return syncing;
  }

  return (folder, gather = false) => {
    const gathering = next.get(folder);
    if (gathering) return gathering;
    const before = running.get(folder);
    if (!before && !gather) return run(folder);
    const after = Promise.allSettled([before, gather ? pause() : undefined]).then(() => run(folder));
    next.set(folder, after);
    return after;
  };
}

/** Creates a folder and its parents. As with a file, a new folder is durable only once its parent is synced. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Whether a file system error means that the file does not exist. */
export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT';

/** Runs `work`. An error that the operator must fix becomes a 503 that says how, with the system's error as its cause. */
export async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    switch (codeOf(error)) {
      case 'ENOSPC':
      case 'EDQUOT':
        throw unusable(
          'is full; free space on the disk of ONETAKE_DATA_DIR, or set it to a larger one.',
          error,
        );
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw unusable(
          "cannot be used; give the gateway's user read and write access to ONETAKE_DATA_DIR.",
          error,
        );
      case 'ENOTDIR':
      case 'EEXIST':
        throw unusable('cannot be used; a file is where a folder of ONETAKE_DATA_DIR should be.', error);
      default:
        throw error;
    }
  }
}

const unusable = (what: string, cause: unknown): OnetakeError =>
  new OnetakeError(
    'storage_unavailable',
    503,
    `The gateway's media storage ${what}`,
    { retryAfterSeconds: 60 },
    cause,
  );

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;
