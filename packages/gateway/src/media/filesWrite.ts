import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { explained, isMissing, syncFolder } from './filesDisk.ts';
import type { MediaWrite } from './media.ts';

interface FileWriteParts {
  readonly key: string;
  /** Where the object will be. */
  readonly path: string;
  /** Where its bytes gather: a name made from the key, so that they are found again after a crash. */
  readonly part: string;
  /** The keys whose bytes are being moved at this moment. */
  readonly busy: Set<string>;
}

/** Opens a resumable write of one file. */
export async function openFileWrite({ key, path, part, busy }: FileWriteParts): Promise<MediaWrite> {
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

  async function appendAt(file: FileHandle, stream: Readable, offset: number): Promise<number> {
    await explained(async () => {
      const { size } = await file.stat();
      if (offset > size) throw new Error(`cannot append to ${key} at ${offset}: it has ${size} bytes`);
      await file.truncate(offset);
    });
    length = offset;
    // Only our own disk's errors are explained: the stream has its own, with codes that look the same.
    for await (const piece of stream) {
      await explained(() => writeWhole(file, piece, length));
      length += piece.length;
    }
    return length;
  }

  return {
    partial,
    path: part,

    async append(stream, offset) {
      // An error before the first read finds no other listener, and would end the process.
      stream.on('error', () => undefined);
      try {
        return await alone(async () => {
          // Not the `a` flag: on Linux it ignores positions.
          const file = await explained(() => open(part, constants.O_RDWR | constants.O_CREAT));
          try {
            return await appendAt(file, stream, offset);
          } finally {
            await file.close();
          }
        });
      } finally {
        stream.destroy();
      }
    },

    commit: () =>
      alone(() =>
        explained(async () => {
          const file = await open(part, 'r+');
          try {
            const { size, mtimeMs } = await file.stat();
            if (size !== length) throw new Error(`${key} was changed by another write; write it again`);
            await file.sync();
            await rename(part, path);
            await syncFolder(dirname(path));
            return { bytes: size, modifiedAt: Math.floor(mtimeMs) };
          } finally {
            await file.close();
          }
        }),
      ),

    abandon: () => alone(() => explained(() => rm(part, { force: true }))),
  };
}

function refuseIfBusy(busy: ReadonlySet<string>, key: string): void {
  if (busy.has(key)) throw new Error(`${key} is being written already; wait until that has ended`);
}

/** A write may take fewer bytes than it was given, a nearly full disk's last one for instance. */
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
