/** What only Node can do. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
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
  const download = await client.download(taskId, options);
  const part = partOf(file, download);
  // Not truncated: it may be a part of these bytes, and another call may be writing it.
  const handle = await open(part, constants.O_RDWR | constants.O_CREAT);
  try {
    await complete(handle, download, (resume) => client.download(taskId, { ...options, resume }));
    const saved = await contentOf(handle);
    check(saved, download);
    // Before the file has its name, so that a loss of power leaves no file that only looks whole.
    await handle.sync();
    await publish(handle, part, file);
    return saved;
  } catch (error) {
    // What is wrong or cannot be continued is of no use.
    if (error instanceof DownloadError || download.sha256 === undefined) await rm(part, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Fetches the bytes that the file does not have yet. */
async function complete(
  handle: FileHandle,
  whole: Download,
  open: (resume: DownloadOptions['resume']) => Promise<Download>,
): Promise<void> {
  const { size } = await handle.stat();
  if (size === 0 || whole.etag === undefined || whole.bytes === undefined) return write(whole, handle);
  await whole.body.cancel();
  if (size >= whole.bytes) return;
  const rest = await open({ offset: size, etag: whole.etag });
  if (rest.sha256 === whole.sha256) return write(rest, handle);
  await rest.body.cancel();
  throw new DownloadError('The video is another one than at the begin of the download; call again.');
}

/**
 * Only adds to the end of the file. So calls that write the same file at once leave its bytes as they are, and none changes them after
 * another has checked them.
 */
async function write({ body, offset }: Download, handle: FileHandle): Promise<void> {
  let end = offset;
  for await (const piece of body) {
    const start = end;
    end += piece.length;
    for (let { size } = await handle.stat(); size < end; ) {
      const { bytesWritten } = await handle.write(piece, size - start, end - size, size);
      size += bytesWritten;
    }
  }
}

/** What the file has, whoever wrote it. */
async function contentOf(handle: FileHandle): Promise<SavedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of handle.createReadStream({ start: 0, autoClose: false })) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

function check({ bytes, sha256 }: SavedFile, download: Download): void {
  if (download.bytes !== undefined && bytes < download.bytes)
    throw new ConnectionError(`There are ${bytes} of ${download.bytes} bytes.`);
  if (download.bytes !== undefined && bytes > download.bytes)
    throw new DownloadError(`There are more than ${download.bytes} bytes.`);
  if (download.sha256 !== undefined && sha256 !== download.sha256)
    throw new DownloadError(`The SHA-256 of the video is ${sha256} instead of ${download.sha256}.`);
}

/** Gives the checked file its name, unless a call that wrote it as well did so before. */
async function publish(handle: FileHandle, part: string, file: string): Promise<void> {
  if (await isAt(handle, part)) await rename(part, file).catch(unlessMissing);
  if (!(await isAt(handle, file)))
    throw new DownloadError(`Another call replaced or removed ${file} meanwhile; call again.`);
}

async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  const [own, other] = await Promise.all([
    handle.stat({ bigint: true }),
    stat(path, { bigint: true }).catch(unlessMissing),
  ]);
  return other !== undefined && own.ino === other.ino && own.dev === other.dev;
}

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

/** Beside the file, so that it can be renamed. Named after the bytes, so that only the same are continued; alone if it cannot be checked for them. */
function partOf(file: string, { sha256, etag }: Download): string {
  const name = sha256 !== undefined && etag !== undefined ? sha256 : crypto.randomUUID().replaceAll('-', '');
  return join(dirname(file), `.${shortened(basename(file))}.${name.slice(0, 16)}.part`);
}

/** File systems take names of 255 bytes, and what is put around this one has 23. */
const LONGEST_NAME = 255 - 23;

function shortened(name: string): string {
  const points = [...name];
  while (Buffer.byteLength(points.join('')) > LONGEST_NAME) points.pop();
  return points.join('');
}
