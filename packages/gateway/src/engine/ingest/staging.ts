import { Readable } from 'node:stream';
import { z } from 'zod';
import type { BadVerdict, VideoProblem } from '../../media/inspect/probe.job.ts';
import type { MediaWrite, Probe } from '../../media/media.ts';
import { isMachineTrouble } from '../../net/machineTrouble.ts';
import { NotResumable, type OpenedResult, SendRefused } from '../../providers/provider.ts';
import { CONTENT_CREDENTIALS } from '../../tasks/task.ts';
import type { EngineParts } from '../parts.ts';

/**
 * Downloads a video to this node's disk and probes it there. It needs only the upstream, so that a link can be used before it expires
 * even while the database or the bucket is down. A note beside the bytes says what is known about them, so that the next process
 * resumes the download, or uses a complete file without calling the upstream.
 */
export interface Staging {
  /**
   * Throws `DamagedVideo` if the bytes are bad, `TooLarge` if there are more than `maxBytes`, and `FetchFailed` if the upstream did not
   * deliver them. Any other error is a problem of this gateway; the staged bytes are kept.
   */
  fetch(key: string, open: OpenVideo, maxBytes: number, memory: StagingMemory): Promise<StagedVideo>;
}

/** Opens the upstream's bytes from `offset` on. */
export type OpenVideo = (offset: number) => Promise<OpenedResult>;

/** What one process remembers between its tries to fetch a video. */
export interface StagingMemory {
  /** The digest of the bytes was found to match the note. */
  verified?: boolean;
}

export interface StagedVideo {
  readonly write: MediaWrite;
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly probe: Probe;
}

/** The fetched bytes were probed and are not a complete video that can be delivered as an MP4. */
export class DamagedVideo extends Error {
  readonly problem: VideoProblem;
  constructor({ problem, detail }: BadVerdict) {
    super(`Not a whole video (${problem}): ${detail}`);
    this.name = 'DamagedVideo';
    this.problem = problem;
  }
}

/** The upstream sends more bytes than allowed, or an endless stream. */
export class TooLarge extends Error {
  constructor(maxBytes: number) {
    super(
      `the upstream sends more than ${Math.floor(maxBytes / 2 ** 20)} MiB; raise ONETAKE_MAX_VIDEO_MB if its videos are that large`,
    );
    this.name = 'TooLarge';
  }
}

/** The upstream did not deliver all of the bytes. */
export class FetchFailed extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'FetchFailed';
  }
}

/** The video cannot be fetched because its account is not configured. */
export class NoAccount extends Error {}

export const PROBE = z.object({
  container: z.string(),
  duration: z.number(),
  width: z.number(),
  height: z.number(),
  videoCodec: z.string(),
  audioCodec: z.string().exactOptional(),
  fps: z.number(),
  contentCredentials: z.enum(CONTENT_CREDENTIALS).exactOptional(),
});
const NOTE = z.object({
  /** Length of the complete video, once known, and the upstream's version of it (such as an ETag). */
  total: z.number().optional(),
  version: z.string().optional(),
  /** Set once the bytes are complete and valid. */
  checked: z.object({ sha256: z.string(), probe: PROBE }).optional(),
});
type Note = z.infer<typeof NOTE>;

/** What is there of a video, and how long it may become. */
interface Staged {
  readonly write: MediaWrite;
  readonly note: Note;
  readonly maxBytes: number;
}

/** A complete file that was not probed yet. */
interface Received {
  readonly write: MediaWrite;
  readonly note: Note;
  /** Undefined if it was not hashed while it was written. */
  readonly sha256: Promise<string> | undefined;
}

type StagingParts = Pick<EngineParts, 'storage' | 'inspector' | 'log'>;

export function createStaging({ storage, inspector, log }: StagingParts): Staging {
  async function fetch(
    key: string,
    open: OpenVideo,
    maxBytes: number,
    memory: StagingMemory,
  ): Promise<StagedVideo> {
    const { write: found, note: noted } = await find(key);
    const whole = found.partial > 0 && noted.total === found.partial;
    const { write, note, sha256 }: Received = whole
      ? { write: found, note: noted, sha256: undefined }
      : await download(key, { write: found, note: noted, maxBytes }, bounded(open, maxBytes)).catch(
          async (error) => {
            // A resumed download would exceed the limit too.
            if (error instanceof TooLarge) await found.abandon();
            throw error;
          },
        );
    if (!note.checked) return look(write, note, sha256, memory);
    if (!memory.verified) await verify(write, note.checked.sha256);
    memory.verified = true;
    return { write, bytes: write.partial, ...note.checked };
  }

  /** What an earlier try has left. Bytes without a note are dropped: nobody knows what they are. */
  async function find(key: string): Promise<Pick<Staged, 'write' | 'note'>> {
    const write = await storage.write(key);
    const { data: note } = NOTE.safeParse(await write.readNote());
    if (note || write.partial === 0) return { write, note: note ?? {} };
    await write.abandon();
    return { write: await storage.write(key), note: {} };
  }

  /** Downloads the video. Resumes an earlier try if the upstream still has the same bytes. */
  async function download(
    key: string,
    { write, note, maxBytes }: Staged,
    open: OpenVideo,
  ): Promise<Received> {
    const opened = await openAt(write.partial, open).catch((error: unknown) => {
      if (write.partial > 0 && error instanceof FetchFailed && error.cause instanceof NotResumable)
        return error.cause;
      throw error;
    });
    if (opened instanceof NotResumable) {
      const { bytes: total = write.partial } = opened;
      if (total === write.partial && (await inspector.probe(write.path)).ok)
        return { write, note: { total }, sha256: undefined };
    } else if (isOther(opened, write.partial, note)) drop(opened.stream);
    else return receive(key, write, opened, maxBytes);
    log.info(
      { event: 'download.restarted', key, staged: write.partial },
      'a download cannot be resumed; it starts again',
    );
    await write.abandon();
    const restarted = await openAt(0, open);
    if (restarted.offset === 0) return receive(key, await storage.write(key), restarted, maxBytes);
    drop(restarted.stream);
    throw new FetchFailed(new Error('the upstream does not send the video from its beginning'));
  }

  async function receive(
    key: string,
    write: MediaWrite,
    { stream, offset, bytes, version, free }: OpenedResult,
    maxBytes: number,
  ): Promise<Received> {
    const about: Note = {
      ...(bytes === undefined ? {} : { total: bytes }),
      ...(version === undefined ? {} : { version }),
    };
    // An error before the first read would have no other listener and would end the process.
    stream.on('error', () => undefined);
    const digest = inspector.follow(write.path);
    try {
      // Written before the bytes, so that a later process can tell whether they are complete.
      await write.writeNote(about);
      const total = await write.append(
        Readable.from(fromUpstream(limited(stream, offset, maxBytes))),
        offset,
        (length, piece) => {
          digest.written(length);
          if (piece) free?.(piece);
        },
      );
      if (bytes === undefined) await write.writeNote({ ...about, total });
      else if (total !== bytes) {
        if (total > bytes) await write.abandon();
        throw new FetchFailed(new Error(`${total} of ${bytes} bytes arrived`));
      }
      const sha256 = digest.finish(total);
      // Awaited once the file was probed.
      sha256.catch(() => undefined);
      // Opened again to get the current length.
      return { write: await storage.write(key), note: { ...about, total }, sha256 };
    } finally {
      stream.destroy();
      digest.drop();
    }
  }

  /** Probes a complete file. Its digest is computed if that was not done while it was written. */
  async function look(
    write: MediaWrite,
    note: Note,
    digest: Promise<string> | undefined,
    memory: StagingMemory,
  ): Promise<StagedVideo> {
    // Side by side, because clients wait for both.
    const [verdict, sha256] = await Promise.all([
      inspector.probe(write.path),
      digest ?? inspector.digest(write.path),
    ]);
    if (!verdict.ok) {
      // A resumed download would keep the damage.
      await write.abandon();
      throw new DamagedVideo(verdict);
    }
    const checked = { sha256, probe: verdict.probe };
    await write.writeNote({ ...note, checked });
    memory.verified = true;
    return { write, bytes: write.partial, ...checked };
  }

  /** After a power loss the file may not match its note. */
  async function verify(write: MediaWrite, sha256: string): Promise<void> {
    if ((await inspector.digest(write.path)) === sha256) return;
    await write.abandon();
    throw new Error('the staged bytes are not those that were noted; the video is fetched again');
  }

  return { fetch };
}

/** Whether the opened stream is not a continuation of the staged bytes. */
function isOther({ offset, bytes, version }: OpenedResult, partial: number, note: Note): boolean {
  if (offset > partial) return true;
  return offset > 0 && (differ(version, note.version) || differ(bytes, note.total));
}

const differ = <T>(a: T | undefined, b: T | undefined): boolean =>
  a !== undefined && b !== undefined && a !== b;

function drop(stream: Readable): void {
  stream.on('error', () => undefined);
  stream.destroy();
}

async function openAt(offset: number, open: OpenVideo): Promise<OpenedResult> {
  try {
    return await open(offset);
  } catch (error) {
    throw upstreamFault(error);
  }
}

/** Refuses what says that it has more bytes. A stream that does not say it is limited while it is read. */
const bounded =
  (open: OpenVideo, maxBytes: number): OpenVideo =>
  async (offset) => {
    const opened = await open(offset);
    if ((opened.bytes ?? 0) > maxBytes) {
      drop(opened.stream);
      throw new TooLarge(maxBytes);
    }
    return opened;
  };

/** The opened stream, which fails with `TooLarge` once the video exceeds `maxBytes`. */
export function atMost(maxBytes: number, { stream, offset }: OpenedResult): Readable {
  // The stream may fail or be destroyed before it is read, which a generator that has not started does not handle.
  stream.on('error', () => undefined);
  return Readable.from(limited(stream, offset, maxBytes)).once('close', () => stream.destroy());
}

/** An endless stream cannot fill the disk. */
async function* limited(stream: Readable, offset: number, maxBytes: number): AsyncGenerator<Buffer> {
  let length = offset;
  for await (const piece of stream) {
    length += piece.length;
    if (length > maxBytes) throw new TooLarge(maxBytes);
    yield piece;
  }
}

/** Marks errors of the upstream's stream, which may look like errors of the local disk. */
async function* fromUpstream(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* stream;
  } catch (error) {
    throw upstreamFault(error);
  }
}

const upstreamFault = (error: unknown): unknown =>
  error instanceof NoAccount ||
  error instanceof TooLarge ||
  error instanceof SendRefused ||
  isMachineTrouble(error)
    ? error
    : new FetchFailed(error);
