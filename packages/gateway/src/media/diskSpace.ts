import { statfs } from 'node:fs/promises';
import { OnetakeError } from '../tasks/errors.ts';

/** Keeps a reserve free on the disk, so that media cannot fill it: the database may be on the same disk. */
export interface DiskSpace {
  /** Resolves if this many bytes can be written without touching the reserve; otherwise throws a 503 that says what to do. */
  requireRoom(bytes: number): Promise<void>;
  /** The free bytes of the disk now. */
  freeBytes(): Promise<number>;
}

interface DiskSpaceOptions {
  /** An existing folder on the disk. */
  readonly folder: string;
  readonly reserveBytes: number;
  /** Returns the free bytes of the disk that holds a folder. */
  readonly freeOn?: (folder: string) => Promise<number>;
}

const MIB = 2 ** 20;

/** The bytes that an unprivileged process may use. */
async function freeBytesOn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export function createDiskSpace({ folder, reserveBytes, freeOn = freeBytesOn }: DiskSpaceOptions): DiskSpace {
  return {
    async requireRoom(bytes) {
      const free = await freeOn(folder);
      if (free - bytes >= reserveBytes) return;
      const message = `The disk of ONETAKE_DATA_DIR has ${Math.floor(free / MIB)} MiB free, of which ${Math.floor(reserveBytes / MIB)} MiB are kept for the database, so media waits; free some space, or lower ONETAKE_DISK_RESERVE_MB.`;
      throw new OnetakeError('storage_unavailable', 503, message, { retryAfterSeconds: 60 });
    },
    freeBytes: () => freeOn(folder),
  };
}
