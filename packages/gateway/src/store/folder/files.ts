import { chmodSync, closeSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StoreUnavailable } from '../errors.ts';

/** For its owner alone: prompts, videos and secrets are in it. */
export const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** What only a data folder has. */
const OWN_FILE = /^(?:onetake\.db|owner\.lock)/;

/** Makes a file where it is missing, whatever the umask is. An existing one is not opened: that could cost SQLite its locks. */
export function makePrivateFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })) return;
  closeSync(openSync(path, 'a', FILE_MODE));
}

/**
 * Takes access from others to a data folder and its databases, as far as they are this user's: earlier versions left that to the
 * umask. A folder that others own, such as a mounted volume, and one with nothing of ours in it are left as they are.
 */
export function tightenFolder(dir: string): void {
  const own = readdirSync(dir).filter((name) => OWN_FILE.test(name));
  for (const name of own) tighten(join(dir, name), FILE_MODE);
  if (own.length > 0) tighten(dir, FOLDER_MODE);
}

function tighten(path: string, mode: number): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat || stat.uid !== process.getuid?.() || (stat.mode & 0o077) === 0) return;
  chmodSync(path, mode);
}

/**
 * Returns what throws a 503 once one of the files is no longer at its path: whoever has it open would go on writing into a file
 * that goes with the process.
 */
export function watchFiles(paths: readonly string[]): () => void {
  const identity = (path: string): string | undefined => {
    const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
    return stat && `${stat.dev} ${stat.ino}`;
  };
  const opened = paths.flatMap((path) => {
    const is = identity(path);
    return is === undefined ? [] : [{ path, is }];
  });
  return () => {
    const gone = opened.find(({ path, is }) => identity(path) !== is);
    if (!gone) return;
    const message =
      'The data folder of the gateway was removed, moved or replaced while it runs; nothing was accepted. Put it back, or restart the gateway.';
    throw new StoreUnavailable(message, 60, new Error(`${gone.path} is not the file that was opened`));
  };
}
