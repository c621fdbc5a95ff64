import { execFile } from 'node:child_process';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A disk that can be filled without harm to the machine. */
export interface SmallDisk {
  readonly path: string;
  /** Takes every byte that is left. */
  fill(): Promise<void>;
  /** Gives back what `fill` took. */
  drain(): Promise<void>;
  unmount(): Promise<void>;
}

const run = promisify(execFile);
/** Written at a time while a disk is filled; smaller and smaller towards the end. */
const PIECES = [1 << 20, 1 << 12, 1];

/** Mounts a disk in memory on a folder that it makes. Rejects where this user or this system cannot mount one. */
export async function mountSmallDisk(path: string, megabytes: number): Promise<SmallDisk> {
  await mkdir(path);
  await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'onetake-chaos', path]);
  const filler = join(path, '.filler');

  return {
    path,
    async fill() {
      const file = await open(filler, 'a');
      try {
        for (const size of PIECES) await writeUntilFull(file, Buffer.alloc(size));
      } finally {
        await file.close();
      }
    },
    drain: () => rm(filler, { force: true }),
    unmount: () => unmount(path),
  };
}

/** Also where a process still has it open: then it goes with that one. */
export async function unmount(path: string): Promise<void> {
  await run('umount', ['-l', path]);
}

async function writeUntilFull(file: Awaited<ReturnType<typeof open>>, piece: Buffer): Promise<void> {
  try {
    for (;;) await file.appendFile(piece);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}
