import { Readable } from 'node:stream';
import { z } from 'zod';
import type { BadVerdict, VideoProblem } from '../../media/inspect/probe.job.ts';
import type { MediaWrite, Probe } from '../../media/media.ts';
import { isMachineTrouble } from '../../net/machineTrouble.ts';
import { NotResumable, type OpenedResult } from '../../providers/provider.ts';
import type { EngineParts } from '../parts.ts';

/**
 * Brings a video onto this node's own disk and looks at it there. It asks nobody but the upstream, so that neither a database nor
 * a bucket that is away keeps a link from being used while it lives. What is known of the bytes is noted beside them: the next
 * process goes on from there, without the upstream where they are whole.
 */
export interface Staging {
  /**
   * Throws `DamagedVideo` where the bytes are bad, `TooLarge` where they are more than `maxBytes`, `FetchFailed` where the upstream did not give them; whatever else it throws
   * is trouble of our own, which says nothing about the video: the bytes stay.
   */
  fetch(key: string, open: OpenVideo, maxBytes: number, memory: StagingMemory): Promise<StagedVideo>;
}

/** Opens the upstream's bytes from `offset` on. */
export type OpenVideo = (offset: number) => Promise<OpenedResult>;

/** What one process remembers between its tries. */
export interface StagingMemory {
  /** The bytes are those that the note speaks of. */
  verified?: boolean;
}

export interface StagedVideo {
  readonly write: MediaWrite;
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly probe: Probe;
}

/** The fetched bytes were looked at, and are not a whole video that can be given as an MP4. */
export class DamagedVideo extends Error {
  readonly problem: VideoProblem;
  constructor({ problem, detail }: BadVerdict) {
    super(`Not a whole video (${problem}): ${detail}`);
    this.name = 'DamagedVideo';
    this.problem = problem;
  }
}

/** The upstream gives more bytes than a video may have, or has no end. */
export class TooLarge extends Error {
  constructor(maxBytes: number) {
    super(
      `the upstream gives more than ${Math.floor(maxBytes / 2 ** 20)} MiB; raise ONETAKE_MAX_VIDEO_MB if its videos are that large`,
    );
    this.name = 'TooLarge';
  }
}

/** The upstream did not give the bytes, or not all of them. */
export class FetchFailed extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = 'FetchFailed';
  }
}

/** Nobody can be asked for the video: its account is not in the configuration. */
export class NoAccount extends Error {}

export const PROBE = z.object({
  container: z.string(),
  duration: z.number(),
  width: z.number(),
  height: z.number(),
  videoCodec: z.string(),
  audioCodec: z.string().exactOptional(),
  fps: z.number(),
});
const NOTE = z.object({
  /** Length of the whole video, once it is known, and what the upstream calls these bytes. */
  total: z.number().optional(),
  version: z.string().optional(),
  /** Of bytes that are whole and good. */
  sha256: z.string().optional(),
  probe: PROBE.optional(),
});
type Note = z.infer<typeof NOTE>;

type StagingParts = Pick<EngineParts, 'storage' | 'inspector' | 'log'>;

export function createStaging({ storage, inspector, log }: StagingParts): Staging {
  async function fetch(
    key: string,
    open: OpenVideo,
    maxBytes: number,
    memory: StagingMemory,
  ): Promise<StagedVideo> {
    const found = await storage.write(key);
    const noted = NOTE.safeParse(await found.readNote()).data ?? {};
    const whole = found.partial > 0 && noted.total === found.partial;
    const { write, note } = whole
      ? { write: found, note: noted }
      : await download(key, found, noted, bounded(open, maxBytes)).catch(async (error) => {
          // Going on would fetch what is not wanted.
          if (error instanceof TooLarge) await found.abandon();
          throw error;
        });
    if (note.sha256 === undefined || note.probe === undefined) return look(write, note, memory);
    if (!memory.verified) await verify(write, note.sha256);
    memory.verified = true;
    return { write, bytes: write.partial, sha256: note.sha256, probe: note.probe };
  }

  /** The whole video, from where an earlier try ended if the upstream's bytes are still the same. */
  async function download(key: string, write: MediaWrite, note: Note, open: OpenVideo) {
    const opened = await openAt(write.partial, open).catch((error: unknown) => {
      if (write.partial > 0 && error instanceof FetchFailed && error.cause instanceof NotResumable)
        return error.cause;
      throw error;
    });
    if (opened instanceof NotResumable) {
      const { bytes: total = write.partial } = opened;
      if (total === write.partial && (await inspector.probe(write.path)).ok)
        return { write, note: { total } };
    } else if (isOther(opened, write.partial, note)) drop(opened.stream);
    else return receive(key, write, opened);
    log.info(
      { event: 'download.restarted', key, staged: write.partial },
      'a download cannot be resumed; it starts again',
    );
    await write.abandon();
    const anew = await openAt(0, open);
    if (anew.offset === 0) return receive(key, await storage.write(key), anew);
    drop(anew.stream);
    throw new FetchFailed(new Error('the upstream does not give the video from its beginning'));
  }

  async function receive(key: string, write: MediaWrite, { stream, offset, bytes, version }: OpenedResult) {
    const about: Note = {
      ...(bytes === undefined ? {} : { total: bytes }),
      ...(version === undefined ? {} : { version }),
    };
    // An error before the first read finds no other listener, and would end the process.
    stream.on('error', () => undefined);
    try {
      // Before the bytes: a process that finds them needs to know whether they are all.
      await write.writeNote(about);
      const total = await write.append(Readable.from(fromUpstream(stream)), offset);
      if (bytes === undefined) await write.writeNote({ ...about, total });
      else if (total !== bytes) {
        if (total > bytes) await write.abandon();
        throw new FetchFailed(new Error(`${total} of ${bytes} bytes arrived`));
      }
      // Opened again: its length is what is there now.
      return { write: await storage.write(key), note: { ...about, total } };
    } finally {
      stream.destroy();
    }
  }

  /** The verdict, the measures and the digest of bytes that are all here. */
  async function look(write: MediaWrite, note: Note, memory: StagingMemory): Promise<StagedVideo> {
    const verdict = await inspector.probe(write.path);
    if (!verdict.ok) {
      // Going on from damaged bytes would keep the damage.
      await write.abandon();
      throw new DamagedVideo(verdict);
    }
    const { probe } = verdict;
    const sha256 = await inspector.digest(write.path);
    await write.writeNote({ ...note, sha256, probe });
    memory.verified = true;
    return { write, bytes: write.partial, sha256, probe };
  }

  /** After a power loss the file may be another than the note speaks of. */
  async function verify(write: MediaWrite, sha256: string): Promise<void> {
    if ((await inspector.digest(write.path)) === sha256) return;
    await write.abandon();
    throw new Error('the staged bytes are not those that were noted; the video is fetched again');
  }

  return { fetch };
}

/** Whether what was opened is not the rest of what is staged. */
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

/** Opens no more bytes than a video may have: an upstream that has no end must not fill the disk. */
const bounded =
  (open: OpenVideo, maxBytes: number): OpenVideo =>
  async (offset) => {
    const opened = await open(offset);
    if ((opened.bytes ?? 0) > maxBytes) {
      drop(opened.stream);
      throw new TooLarge(maxBytes);
    }
    return { ...opened, stream: atMost(maxBytes, opened) };
  };

/** The opened bytes; throws `TooLarge` in the stream where the whole has more than `maxBytes`. */
export function atMost(maxBytes: number, { stream, offset }: OpenedResult): Readable {
  // It may break before it is read, and be dropped unread: a generator that never began handles neither.
  stream.on('error', () => undefined);
  const bounded = Readable.from(
    (async function* () {
      let length = offset;
      for await (const piece of stream) {
        length += piece.length;
        if (length > maxBytes) throw new TooLarge(maxBytes);
        yield piece;
      }
    })(),
  );
  return bounded.once('close', () => stream.destroy());
}

/** A stream whose errors are told from those of our own disk, which may look the same. */
async function* fromUpstream(stream: Readable): AsyncGenerator<Buffer> {
  try {
    yield* stream;
  } catch (error) {
    throw upstreamFault(error);
  }
}

const upstreamFault = (error: unknown): unknown =>
  error instanceof NoAccount || error instanceof TooLarge || isMachineTrouble(error)
    ? error
    : new FetchFailed(error);
