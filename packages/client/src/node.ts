/** What only Node can do. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Onetake } from './client.ts';
import type { Download, DownloadOptions } from './download.ts';
import { ConnectionError, DownloadError } from './errors.ts';

/** A video in a file. */
export interface SavedFile {
  readonly bytes: number;
  /** Hex digits. */
  readonly sha256: string;
}

/**
 * Saves the video of a finished task. The file appears, or is replaced, when all bytes are there and checked: their number, and their SHA-256 if
 * the server tells it. Until then they are in a hidden file beside it, with which another call goes on where this one was interrupted.
 */
export async function downloadToFile(
  client: Pick<Onetake, 'download'>,
  taskId: string,
  file: string,
  options: Omit<DownloadOptions, 'resume'> = {},
): Promise<SavedFile> {
  let download = await client.download(taskId, options);
  const part = partOf(file, download);
  const there = download.etag === undefined ? 0 : await sizeOf(part);
  const hash = createHash('sha256');
  if (download.etag !== undefined && there > 0 && there < (download.bytes ?? 0)) {
    await download.body.cancel();
    download = await client.download(taskId, { ...options, resume: { offset: there, etag: download.etag } });
    if (download.offset > 0) for await (const piece of createReadStream(part)) hash.update(piece);
  }
  const handle = await open(part, download.offset > 0 ? 'a' : 'w');
  try {
    const bytes = download.offset + (await write(download, handle, hash));
    const saved = { bytes, sha256: hash.digest('hex') };
    check(saved, download);
    // Before the file has its name, so that a loss of power leaves no file that only looks whole.
    await handle.sync();
    await handle.close();
    await rename(part, file);
    return saved;
  } catch (error) {
    await handle.close();
    // What is wrong or cannot be continued is of no use.
    if (error instanceof DownloadError || download.etag === undefined) await rm(part, { force: true });
    throw error;
  }
}

async function write({ body }: Download, handle: FileHandle, hash: Hash): Promise<number> {
  let written = 0;
  for await (const piece of body) {
    hash.update(piece);
    await handle.appendFile(piece);
    written += piece.length;
  }
  return written;
}

function check({ bytes, sha256 }: SavedFile, download: Download): void {
  if (download.bytes !== undefined && bytes !== download.bytes)
    throw new ConnectionError(`There are ${bytes} of ${download.bytes} bytes.`);
  if (download.sha256 !== undefined && sha256 !== download.sha256)
    throw new DownloadError(`The SHA-256 of the video is ${sha256} instead of ${download.sha256}.`);
}

/** Beside the file, so that it can be renamed. Named after the bytes, so that those of another video are not continued. */
function partOf(file: string, { etag }: Download): string {
  const name = createHash('sha256')
    .update(etag ?? crypto.randomUUID())
    .digest('hex')
    .slice(0, 16);
  return join(dirname(file), `.${basename(file)}.${name}.part`);
}

const sizeOf = (file: string): Promise<number> =>
  stat(file).then(
    ({ size }) => size,
    () => 0,
  );
