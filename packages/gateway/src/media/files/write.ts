import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { DiskSpace } from '../diskSpace.ts';
import type { MediaStat, MediaWrite, Written } from '../media.ts';
import { explained, isMissing } from './disk.ts';

/** The staged bytes on their way to an object. */
export interface Publication {
  readonly file: FileHandle;
  /** The path of the staged bytes. */
  readonly staged: string;
  /** The key of the object. */
  readonly key: string;
  /** Whether it must survive a power failure. */
  readonly synced: boolean;
  /** Whether others are soon to follow. */
  readonly gather: boolean;
}

interface FileWriteParts {
  readonly key: string;
  /** Turns the staged bytes into the object and removes the staged file, which is open during the call. */
  readonly publish: (publication: Publication) => Promise<MediaStat>;
  /** The path of the staged bytes. It is derived from the key, so that they are found again after a crash. */
  readonly part: string;
  /** The keys that a write is working on now. */
  readonly busy: Set<string>;
  /** Checks the free space of the disk; without it, there is no check. */
  readonly space?: Pick<DiskSpace, 'requireRoom'> | undefined;
}

/** Bytes written between two checks of the free space. */
const ROOM_STEP = 64 * 2 ** 20;

/** The path of the note about staged bytes. */
const noteOf = (part: string): string => `${part}.note`;

/** Removes staged bytes and their note. The note goes first, so that it can never describe other bytes. */
export async function removeStaged(part: string): Promise<void> {
  await rm(noteOf(part), { force: true });
  await rm(part, { force: true });
}

/** For a staged file, its own path; for a note, the path of its staged file; otherwise undefined. */
export const stagedFileOf = (path: string): string | undefined =>
  /^(.*\.part)(?:\.note(?:\.new)?)?$/.exec(path)?.[1];

/** Opens a resumable write that stages its bytes in a local file. */
export async function openFileWrite({
  key,
  publish,
  part,
  busy,
  space,
}: FileWriteParts): Promise<MediaWrite> {
  refuseIfBusy(busy, key);
  const partial = await lengthOf(part);
  let length = partial;

  async function alone<T>(work: () => Promise<T>): Promise<T> {
    refuseIfBusy(busy, key);
    busy.add(key);
    try {
      return await work();
    } finally {
      busy.delete(key);
    }
  }

  async function appendAt(
    file: FileHandle,
    stream: Readable,
    offset: number,
    written: Written,
  ): Promise<number> {
    await explained(async () => {
      const { size } = await file.stat();
      if (offset > size) throw new Error(`cannot append to ${key} at ${offset}: it has ${size} bytes`);
      await file.truncate(offset);
    });
    length = offset;
    written(length);
    let room = 0;
    // Only errors of the local disk are explained. Errors of the source stream can have the same codes.
    for await (const piece of stream) {
      if (space && room < piece.length) {
        room = Math.max(ROOM_STEP, piece.length);
        await space.requireRoom(room);
      }
      room -= piece.length;
      await explained(() => writeWhole(file, piece, length));
      length += piece.length;
      written(length, piece);
    }
    return length;
  }

  return {
    partial,
    path: part,

    async append(stream, offset, written = () => undefined) {
      // An error before the first read would have no listener and end the process.
      stream.on('error', () => undefined);
      try {
        return await alone(async () => {
          // Not with the `a` flag: on Linux it ignores positions.
          const file = await explained(() => open(part, constants.O_RDWR | constants.O_CREAT));
          try {
            return await appendAt(file, stream, offset, written);
          } finally {
            await file.close();
          }
        });
      } finally {
        stream.destroy();
      }
    },

    commit: (under = key, { synced = true, gather = false } = {}) =>
      alone(async () => {
        const file = await explained(() => open(part, 'r+'));
        try {
          const { size } = await file.stat();
          if (size !== length) throw new Error(`${key} was changed by another write; write it again`);
          const stat = await publish({ file, staged: part, key: under, synced, gather });
          // There may be none, and the sweep removes one that stays.
          await rm(noteOf(part)).catch(() => undefined);
          return stat;
        } finally {
          await file.close();
        }
      }),

    abandon: () => alone(() => explained(() => removeStaged(part))),

    async readNote() {
      try {
        return JSON.parse(await readFile(noteOf(part), 'utf8'));
      } catch (error) {
        if (isMissing(error) || error instanceof SyntaxError) return undefined;
        throw error;
      }
    },

    writeNote: (note) =>
      alone(() =>
        explained(async () => {
          // Nothing is synced: the end of the process loses nothing, and what a power failure leaves of bytes is checked against their note.
          const draft = `${noteOf(part)}.new`;
          await writeFile(draft, JSON.stringify(note));
          await rename(draft, noteOf(part));
        }),
      ),
  };
}

function refuseIfBusy(busy: ReadonlySet<string>, key: string): void {
  if (busy.has(key)) throw new Error(`${key} is being written already; wait until that has ended`);
}

/** Writes a whole chunk. A single write may take fewer bytes, for instance on a nearly full disk. */
async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

async function lengthOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}
