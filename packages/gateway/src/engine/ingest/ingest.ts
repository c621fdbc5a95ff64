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
   * Fetches the missing bytes with `open`, probes the file on this machine, and moves it into the storage. Neither the database nor
   * the storage is needed before the bytes are here. After the signal is aborted nothing is stored. Throws the errors of `Staging`.
   */
  ingest(task: Task, open: OpenVideo, memory: IngestMemory, signal: AbortSignal): Promise<Ingested>;
}

/** What one process remembers between its tries to ingest a video. */
export interface IngestMemory extends StagingMemory {
  /** `some`: an earlier driver may have stored the video already. `unknown`: the storage could not be read. */
  earlier: 'none' | 'some' | 'unknown';
  posterTries: number;
  posterStored: boolean;
}

export interface Ingested {
  readonly result: Omit<TaskResult, 'costMicros'>;
  /** Price per second of the delivered format in micro-units, if it differs from the requested one and has its own price. */
  readonly microsPerSecond?: number;
  readonly media: readonly MediaRow[];
}

interface Measured {
  /** The row of the stored object, with its final key. */
  readonly stored: MediaRow;
  readonly bytes: number;
  readonly probe: Probe;
  readonly sha256: string;
  readonly hasPoster: boolean;
}

/** How long to wait for the storage to say whether it has the video, before the video is downloaded. Milliseconds. */
const STAT_MS = 5000;
/** Tries to make a poster if this machine fails to. */
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
      (await findStored(video, poster, memory, signal)) ??
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
    // If this process was paused or lost its lease, another node may have stored and announced the video already.
    signal.throwIfAborted();
    if (!cluster.hasLease()) throw new Error('the lease was lost before the video was stored');
    if (posterWrite) {
      // The row before its object, so that the sweep finds what a crash leaves behind.
      await store.putMedia([poster]);
      await posterWrite.commit();
      memory.posterStored = true;
    } else if (!memory.posterStored) {
      // The repair makes the poster later, from the stored video, for a row that is still pending.
      await store.putMedia([poster]);
    }
    const { bytes, sha256 } = measured;
    const stored = await storeMeasured({ store, log }, write, { ...video, bytes, sha256 });
    return { stored, ...measured, hasPoster: memory.posterStored };
  }

  /** Looks for a video that an earlier driver stored without recording the transition. */
  async function findStored(
    video: MediaRow,
    poster: MediaRow,
    memory: IngestMemory,
    signal: AbortSignal,
  ): Promise<Measured | undefined> {
    if (memory.earlier === 'none') return undefined;
    // A staged file was not committed yet, or can be committed again.
    if ((await storage.write(video.storageKey)).partial > 0) return undefined;
    try {
      const row = (await withTimeout(() => store.media(video.id), signal)) ?? video;
      const stat = await withTimeout(() => storage.stat(row.storageKey), signal);
      const measured = stat && (await measureStored(row, poster, stat, memory));
      if (!measured) memory.earlier = 'none';
      return measured;
    } catch (error) {
      // The storage may have the video, which matters once the upstream does not have it any more.
      memory.earlier = 'unknown';
      log.warn(
        { event: 'media.read_failed', task: video.taskId, err: error },
        'cannot read a video that the storage may already have; it is downloaded',
      );
      return undefined;
    }
  }

  /** Rejects after `STAT_MS`: a database or a storage that is down must not delay a download. */
  async function withTimeout<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
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

  /** Undefined if the object is damaged; then the video is downloaded again. */
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

  /** Stages a poster. Undefined if none can be made: a video is delivered without one, too. */
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
      // The video has no usable frame, or this machine has failed too often.
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

/** Ids and keys are derived from the attempt, so that after a crash the same rows and bytes are found again. */
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

/** Whether a staged file belongs to an unfinished task. Its bytes may then be the only copy. */
export async function isStagedForUnfinished(
  store: Pick<EngineParts['store'], 'task'>,
  key: string,
): Promise<boolean> {
  const id = /^(?:video|poster)\/([0-9a-f]{32})-\d+[vp](?:_remuxed)?\./.exec(key)?.[1];
  const task = id === undefined ? undefined : await store.task(`video_${id}`);
  return task !== undefined && !isTerminal(task.phase);
}
