import { chmodSync, closeSync, openSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StoreUnavailable } from '../errors.ts';

/** Only for its owner: the folder contains prompts, videos and secrets. */
export const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Names of files that only a data folder has. */
const OWN_FILE = /^(?:onetake\.db|owner\.)/;

/**
 * Creates a file that only its owner can read, if it is missing. An existing file is not opened: closing it again could drop SQLite's
 * locks.
 */
export function makePrivateFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })) return;
  closeSync(openSync(path, 'a', FILE_MODE));
}

/**
 * Removes other users' access to a data folder and its databases, which earlier versions left to the umask. What other users own,
 * such as a mounted volume, and a folder without any of our files are left as they are.
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
 * Returns a function that throws a 503 once one of the files is not at its path any more: what is written to the open file would be
 * lost with the process.
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
