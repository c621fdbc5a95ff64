import { statfs } from 'node:fs/promises';
import { OnetakeError } from '../tasks/errors.ts';

/** Keeps media from taking the last of a disk that the database may be on too. */
export interface DiskSpace {
  /** Resolves where so many bytes may be written and the reserve stays free; throws a 503 that says what to do where not. */
  requireRoom(bytes: number): Promise<void>;
  /** Bytes that are free at this moment. */
  freeBytes(): Promise<number>;
}

interface DiskSpaceOptions {
  /** A folder of the disk, which is there. */
  readonly folder: string;
  readonly reserveBytes: number;
  /** Free bytes of the disk that a folder is on. */
  readonly freeOn?: (folder: string) => Promise<number>;
}

const MIB = 2 ** 20;

/** As much as an unprivileged process may use. */
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
