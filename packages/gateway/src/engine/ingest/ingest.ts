import { createReadStream } from 'node:fs';
import type { MediaStat, MediaWrite, Probe } from '../../media/media.ts';
import { videoLimitOf } from '../../media/videoLimit.ts';
import { NativeJobError } from '../../native/errors.ts';
import type { MediaRow } from '../../store/store.ts';
import { isTerminal, type Task, type TaskResult } from '../../tasks/task.ts';
import { pause } from '../../time/pause.ts';
import type { EngineParts } from '../parts.ts';
import { asMp4 } from './remux.ts';
import { createStaging, type OpenVideo, type StagingMemory } from './staging.ts';
import { storeMeasured } from './store.ts';

/** Brings one video into our storage: rows, bytes, poster. */
export interface Ingest {
  /**
   * Fetches with `open` whatever is missing, measures it on this machine, and puts it into the storage; nothing but the upstream is
   * asked before the bytes are here. Once the signal is aborted nothing is put into the storage any more. Throws as `Staging` does.
   */
  ingest(task: Task, open: OpenVideo, memory: IngestMemory, signal: AbortSignal): Promise<Ingested>;
}

/** What one process remembers between its tries for a video. */
export interface IngestMemory extends StagingMemory {
  /** An earlier process drove the task: the storage may have the video already. `unknown`: it could not be asked. */
  earlier: 'none' | 'some' | 'unknown';
  posterTries: number;
  posterStored: boolean;
}

export interface Ingested {
  readonly result: Omit<TaskResult, 'costMicros'>;
  /** A second of what was delivered, where that is less than what was asked for and has a price of its own. */
  readonly microsPerSecond?: number;
  readonly media: readonly MediaRow[];
}

interface Measured {
  /** Its row, with the key that it is under. */
  readonly stored: MediaRow;
  readonly bytes: number;
  readonly probe: Probe;
  readonly sha256: string;
  readonly hasPoster: boolean;
}

/** How long a storage may take to say whether it has the video, before that is fetched instead. Milliseconds. */
const STAT_MS = 5000;
/** Tries to make a poster where trouble of this machine prevents it. */
const POSTER_TRIES = 3;

type IngestParts = Pick<
  EngineParts,
  'store' | 'cluster' | 'storage' | 'inspector' | 'deliveredRate' | 'clock' | 'timers' | 'settings' | 'log'
>;

export function createIngest(parts: IngestParts): Ingest {
  const { store, cluster, storage, inspector, deliveredRate, clock, timers, settings, log } = parts;
  const staging = createStaging(parts);

  async function ingest(
    task: Task,
    open: OpenVideo,
    memory: IngestMemory,
    signal: AbortSignal,
  ): Promise<Ingested> {
    const video = rowOf(task, 'video', clock.now());
    const poster = rowOf(task, 'poster', clock.now());
    const measured =
      (await keptBefore(video, poster, memory, signal)) ??
      (await fetched(video, poster, { open, maxBytes: maxBytesOf(task) }, memory, signal));
    const { stored, bytes, probe, sha256, hasPoster } = measured;
    const { width, height, audioCodec } = probe;
    const microsPerSecond = deliveredRate(task, { width, height, audio: audioCodec !== undefined });
    warnOfDifferences(task, probe, microsPerSecond);
    const expiresAt = clock.now() + settings.retentionMs;
    return {
      ...(microsPerSecond === undefined ? {} : { microsPerSecond }),
      result: {
        videoId: video.id,
        ...(hasPoster ? { posterId: poster.id } : {}),
        bytes,
        sha256,
        duration: probe.duration,
        width: probe.width,
        height: probe.height,
        videoCodec: probe.videoCodec,
        ...(probe.audioCodec ? { audioCodec: probe.audioCodec } : {}),
        expiresAt,
      },
      media: [
        { ...stored, state: 'present' as const, bytes, sha256, expiresAt },
        ...(hasPoster ? [{ ...poster, state: 'present' as const, expiresAt }] : []),
      ],
    };
  }

  const maxBytesOf = ({ request }: Task): number => settings.maxVideoBytes ?? videoLimitOf(request);

  async function fetched(
    video: MediaRow,
    poster: MediaRow,
    { open, maxBytes }: { open: OpenVideo; maxBytes: number },
    memory: IngestMemory,
    signal: AbortSignal,
  ): Promise<Measured> {
    const staged = await staging.fetch(video.storageKey, open, maxBytes, memory);
    const { write, ...measured } = await asMp4(parts, video.storageKey, staged);
    const posterWrite = memory.posterStored ? undefined : await stagePoster(write.path, poster, memory);
    // After a pause of this process, or in another session, the object may be there, and announced, by the work of another node.
    signal.throwIfAborted();
    if (!cluster.hasLease()) throw new Error('the session was lost before the video was kept');
    if (posterWrite) {
      // The row before its object: what a crash leaves in between, the sweep finds.
      await store.putMedia([poster]);
      await posterWrite.commit();
      memory.posterStored = true;
    } else if (!memory.posterStored) {
      // A pending row is what it is made by later, from the stored video.
      await store.putMedia([poster]);
    }
    const { bytes, sha256 } = measured;
    const stored = await storeMeasured({ store, log }, write, { ...video, bytes, sha256 });
    return { stored, ...measured, hasPoster: memory.posterStored };
  }

  /** A crash came between the bytes and the transition: the object is there. */
  async function keptBefore(
    video: MediaRow,
    poster: MediaRow,
    memory: IngestMemory,
    signal: AbortSignal,
  ): Promise<Measured | undefined> {
    if (memory.earlier === 'none') return undefined;
    // What is staged was not committed, or may be committed again.
    if ((await storage.write(video.storageKey)).partial > 0) return undefined;
    try {
      const row = (await soon(() => store.media(video.id), signal)) ?? video;
      const stat = await soon(() => storage.stat(row.storageKey), signal);
      const measured = stat && (await measureStored(row, poster, stat, memory));
      if (!measured) memory.earlier = 'none';
      return measured;
    } catch (error) {
      // It may have it all the same, which matters once the upstream does not.
      memory.earlier = 'unknown';
      log.warn(
        { event: 'media.read_failed', task: video.taskId, err: error },
        'cannot read a video that the storage may already have; it is downloaded',
      );
      return undefined;
    }
  }

  /** A database or a storage that is away must not hold a download up. */
  async function soon<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const asked = new AbortController();
    const late = pause(timers, STAT_MS, AbortSignal.any([signal, asked.signal])).then(() => {
      throw new Error('no answer came in time');
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([ask(), late]);
    } finally {
      asked.abort();
    }
  }

  /** Undefined where the object is no whole video, and is fetched again in its place. */
  function measureStored(video: MediaRow, poster: MediaRow, { bytes }: MediaStat, memory: IngestMemory) {
    return storage.withLocalFile(video.storageKey, async (path): Promise<Measured | undefined> => {
      const sha256 = await inspector.digest(path);
      const verdict = await inspector.probe(path);
      const isOther = (video.sha256 ?? sha256) !== sha256;
      if (!verdict.ok || isOther || verdict.probe.container !== 'mp4') {
        const problem = verdict.ok ? 'its bytes are not those that were measured' : verdict.problem;
        log.warn(
          { event: 'media.damaged', key: video.storageKey, problem },
          'a stored video is damaged; it is downloaded again',
        );
        return undefined;
      }
      const posterWrite = await stagePoster(path, poster, memory);
      await store.putMedia(posterWrite ? [video, poster] : [video]);
      await posterWrite?.commit();
      return { stored: video, bytes, sha256, probe: verdict.probe, hasPoster: posterWrite !== undefined };
    });
  }

  /** A video without a poster still is the video that was paid for: undefined where there is none to be had. */
  async function stagePoster(
    videoPath: string,
    { storageKey, taskId }: MediaRow,
    memory: IngestMemory,
  ): Promise<MediaWrite | undefined> {
    const write = await storage.write(storageKey);
    const note = await write.readNote();
    if (write.partial > 0 && isPosterNote(note) && note.bytes === write.partial) return write;
    try {
      await inspector.poster(videoPath, async (path) => {
        await write.writeNote({ bytes: await write.append(createReadStream(path), 0) });
      });
      return write;
    } catch (error) {
      memory.posterTries += 1;
      // The job itself found no frame, or the machine has had its chances.
      if (!(error instanceof NativeJobError) && memory.posterTries < POSTER_TRIES) throw error;
      log.warn({ event: 'media.poster_failed', task: taskId, err: error }, 'cannot make a poster');
      await write.abandon().catch(() => undefined);
      return undefined;
    }
  }

  function warnOfDifferences(task: Task, probe: Probe, microsPerSecond: number | undefined): void {
    const { width, height, duration, generateAudio } = task.request;
    const isSilent = generateAudio === true && probe.audioCodec === undefined;
    if (
      !isSilent &&
      probe.width === width &&
      probe.height === height &&
      Math.abs(probe.duration - duration) < 0.5
    )
      return;
    log.warn(
      {
        event: 'video.differs',
        task: task.id,
        asked: { width, height, duration, generateAudio },
        delivered: {
          width: probe.width,
          height: probe.height,
          duration: probe.duration,
          audioCodec: probe.audioCodec,
        },
        price: task.price.microsPerSecond,
        ...(microsPerSecond === undefined ? {} : { charged: microsPerSecond }),
      },
      'the upstream delivered another size, duration or sound than asked for',
    );
  }

  return { ingest: ingest };
}

const isPosterNote = (note: unknown): note is { bytes: number } =>
  typeof note === 'object' && note !== null && 'bytes' in note;

const FORMS = {
  video: { letter: 'v', extension: 'mp4', contentType: 'video/mp4' },
  poster: { letter: 'p', extension: 'jpg', contentType: 'image/jpeg' },
} as const;

/** The same names for the same attempt: after a crash the rows and the bytes are found again, not made twice. */
function rowOf(task: Task, kind: 'video' | 'poster', now: number): MediaRow {
  const { letter, extension, contentType } = FORMS[kind];
  const id = `${task.id.slice('video_'.length)}-${task.attempt?.number ?? 0}${letter}`;
  return {
    id,
    projectId: task.projectId,
    taskId: task.id,
    kind,
    storageKey: `${kind}/${id}.${extension}`,
    contentType,
    state: 'pending',
    createdAt: now,
  };
}

/** Whether the task that a staged file is for goes on: then its bytes may be the only ones. */
export async function isStagedForUnfinished(
  store: Pick<EngineParts['store'], 'task'>,
  key: string,
): Promise<boolean> {
  const id = /^(?:video|poster)\/([0-9a-f]{32})-\d+[vp](?:_remuxed)?\./.exec(key)?.[1];
  const task = id === undefined ? undefined : await store.task(`video_${id}`);
  return task !== undefined && !isTerminal(task.phase);
}
