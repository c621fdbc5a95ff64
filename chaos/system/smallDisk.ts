import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A disk that can be filled without harm to the machine. */
export interface SmallDisk {
  readonly path: string;
  /** Takes every free byte. */
  fill(): Promise<void>;
  /** Releases the bytes that `fill` took. */
  drain(): Promise<void>;
  unmount(): Promise<void>;
}

const run = promisify(execFile);
/** Written at a time; the last piece is written as far as possible. */
const PIECE = Buffer.alloc(1 << 20);

/** Mounts a disk in memory on a folder that it creates. Rejects if this user or this system cannot mount one. */
export async function mountSmallDisk(path: string, megabytes: number): Promise<SmallDisk> {
  await mkdir(path);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'onetake-chaos', path]);
  const filler = join(path, '.filler');

  return {
    path,
    async fill() {
      const file = await open(filler, 'a');
      try {
        for (;;) await file.appendFile(PIECE);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      } finally {
        await file.close();
      }
    },
    drain: () => rm(filler, { force: true }),
    unmount: () => unmount(path),
  };
}

/** Also if a process still has it open: then it is released with that process. */
export async function unmount(path: string): Promise<void> {
  await run('umount', ['-l', path]);
}
