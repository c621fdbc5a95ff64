import { anotherKey } from '../../media/key.ts';
import { type MediaWrite, type Probe, StoredWrong } from '../../media/media.ts';
import { videoLimitOf } from '../../media/videoLimit.ts';
import type { MediaRow } from '../../store/store.ts';
import { isTerminal, type Rate, type Task, type TaskResult } from '../../tasks/task.ts';
import type { EngineParts } from '../parts.ts';
import { createStoredSearch, type Measured, type SearchMemory } from './findStored.ts';
import { asMp4 } from './remux.ts';
import { createStaging, type OpenVideo, type StagingMemory } from './staging.ts';

/** Brings one video into our storage: its row and its bytes. */
export interface Ingest {
  /**
   * Fetches the missing bytes with `open`, probes the file on this machine, and moves it into the storage. Neither the database nor
   * the storage is needed before the bytes are here. After the signal is aborted nothing is stored. Throws the errors of `Staging`.
   */
  ingest(task: Task, open: OpenVideo, memory: IngestMemory, signal: AbortSignal): Promise<Ingested>;
}

/** What one process remembers between its tries to ingest a video. */
export interface IngestMemory extends StagingMemory, SearchMemory {}

export interface Ingested {
  readonly result: Omit<TaskResult, 'costMicros'>;
  /** The rate of what was delivered, if known. */
  readonly rate?: Rate;
  /** The row of the video, and that of its poster, which is made once the task has succeeded. */
  readonly media: readonly MediaRow[];
}

type IngestParts = Pick<
  EngineParts,
  'store' | 'cluster' | 'storage' | 'inspector' | 'deliveredRate' | 'clock' | 'timers' | 'settings' | 'log'
>;

/** Keys tried for one object before the write fails. */
const MAX_KEYS = 3;

export function createIngest(parts: IngestParts): Ingest {
  const { store, cluster, deliveredRate, clock, settings, log } = parts;
  const staging = createStaging(parts);
  const findStored = createStoredSearch(parts);
  let inProgress = 0;

  async function ingest(...given: Parameters<Ingest['ingest']>): Promise<Ingested> {
    inProgress += 1;
    try {
      return await ingestOne(...given);
    } finally {
      inProgress -= 1;
    }
  }

  async function ingestOne(
    task: Task,
    open: OpenVideo,
    memory: IngestMemory,
    signal: AbortSignal,
  ): Promise<Ingested> {
    const video = rowOf(task, 'video', clock.now());
    const poster = rowOf(task, 'poster', clock.now());
    const measured =
      (await findStored(video, memory, signal)) ??
      (await fetched(video, { open, maxBytes: maxBytesOf(task) }, memory, signal));
    const { stored, bytes, probe, sha256 } = measured;
    const { width, height, audioCodec } = probe;
    const rate = deliveredRate(task, {
      width,
      height,
      audio: audioCodec !== undefined,
      seconds: probe.duration,
    });
    warnOfDifferences(log, task, probe, rate);
    const expiresAt = clock.now() + settings.retentionMs;
    return {
      ...(rate === undefined ? {} : { rate }),
      result: {
        videoId: video.id,
        posterId: poster.id,
        bytes,
        sha256,
        duration: probe.duration,
        width: probe.width,
        height: probe.height,
        videoCodec: probe.videoCodec,
        ...(probe.audioCodec ? { audioCodec: probe.audioCodec } : {}),
        ...(probe.contentCredentials ? { contentCredentials: probe.contentCredentials } : {}),
        expiresAt,
      },
      media: [
        { ...stored, state: 'present' as const, bytes, sha256, expiresAt },
        { ...poster, expiresAt },
      ],
    };
  }

  const maxBytesOf = ({ request }: Task): number => settings.maxVideoBytes ?? videoLimitOf(request);

  async function fetched(
    video: MediaRow,
    { open, maxBytes }: { open: OpenVideo; maxBytes: number },
    memory: IngestMemory,
    signal: AbortSignal,
  ): Promise<Measured> {
    const staged = await staging.fetch(video.storageKey, open, maxBytes, memory);
    const { write, ...measured } = await asMp4(parts, video.storageKey, staged);
    // If this process was paused or lost its lease, another node may have stored and announced the video already.
    signal.throwIfAborted();
    if (!cluster.hasLease()) throw new Error('the lease was lost before the video was stored');
    const { bytes, sha256 } = measured;
    const gather = inProgress > 1;
    const stored = await storeMeasured({ store, log }, write, { ...video, bytes, sha256 }, gather);
    return { stored, ...measured };
  }

  return { ingest };
}

/**
 * Moves a staged file into the storage. If another object is stored under its key and cannot be replaced, another key is used. The
 * row is written first, with the expected size and digest. Resolves with that row, which is still pending.
 */
export async function storeMeasured(
  { store, log }: Pick<IngestParts, 'store' | 'log'>,
  write: MediaWrite,
  row: MediaRow,
  gather = false,
): Promise<MediaRow> {
  let at = row;
  for (let keys = 1; ; keys++) {
    await store.putMedia([at]);
    try {
      await write.commit(at.storageKey, { gather });
      return at;
    } catch (error) {
      if (!(error instanceof StoredWrong) || keys === MAX_KEYS) throw error;
      const next = anotherKey(at.storageKey);
      log.error(
        { event: 'media.stored_wrong', media: at.id, task: at.taskId, key: at.storageKey, next, err: error },
        'the storage holds other bytes than were written; they are written under another key',
      );
      at = { ...at, storageKey: next };
    }
  }
}

/** Logs where the delivered video differs from the requested one. */
function warnOfDifferences(log: IngestParts['log'], task: Task, probe: Probe, rate: Rate | undefined): void {
  const { width, height, duration, autoDuration, generateAudio } = task.request;
  const difference = probe.duration - duration;
  const isSilent = generateAudio === true && probe.audioCodec === undefined;
  if (
    !isSilent &&
    probe.width === width &&
    probe.height === height &&
    (autoDuration ? difference : Math.abs(difference)) < 0.5
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
      ...(rate === undefined ? {} : { charged: rate.microsPerSecond }),
    },
    'the upstream delivered another size, duration or sound than asked for',
  );
}

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
