import { createReadStream } from 'node:fs';
import type { MediaWrite, Probe } from '../media/media.ts';
import type { OpenedResult } from '../providers/provider.ts';
import type { MediaRow } from '../store/store.ts';
import type { Task, TaskResult } from '../tasks/task.ts';
import type { EngineParts } from './parts.ts';
import { storeMeasured } from './storing.ts';

/** Brings one video into our storage: rows, bytes, poster. */
export interface Keeping {
  /**
   * Fetches with `open` whatever is missing. Measures the video while it is on this machine, before it counts, so that a
   * storage elsewhere is not read back. `staged` remembers between tries. Once the signal is aborted nothing is put into the storage
   * any more. Throws `DamagedVideo`.
   */
  keep(task: Task, open: OpenVideo, staged: Staged, signal: AbortSignal): Promise<Kept>;
}

/** Opens the upstream's bytes from `offset` on. */
export type OpenVideo = (offset: number) => Promise<OpenedResult>;

/** What is known of the bytes on this machine. */
export interface Staged {
  /** All of them were here and passed the check: so many. */
  whole?: number;
}

export interface Kept {
  readonly result: Omit<TaskResult, 'costMicros'>;
  readonly media: readonly MediaRow[];
}

/** The fetched bytes are not the whole video that the container promises. */
export class DamagedVideo extends Error {}

interface Measured {
  readonly probe: Probe;
  readonly sha256: string;
  readonly hasPoster: boolean;
}

type KeepingParts = Pick<
  EngineParts,
  'store' | 'cluster' | 'storage' | 'inspector' | 'clock' | 'settings' | 'log'
>;

export function createKeeping({
  store,
  cluster,
  storage,
  inspector,
  clock,
  settings,
  log,
}: KeepingParts): Keeping {
  async function keep(task: Task, open: OpenVideo, staged: Staged, signal: AbortSignal): Promise<Kept> {
    // The same names for the same attempt: after a crash the rows and the bytes are found again, not made twice.
    const name = `${task.id.slice('video_'.length)}-${task.attempt?.number ?? 0}`;
    const row = (kind: 'video' | 'poster', id: string, extension: string, contentType: string): MediaRow => ({
      id,
      projectId: task.projectId,
      taskId: task.id,
      kind,
      storageKey: `${kind}/${id}.${extension}`,
      contentType,
      state: 'pending',
      createdAt: clock.now(),
    });
    const video = row('video', `${name}v`, 'mp4', 'video/mp4');
    const poster = row('poster', `${name}p`, 'jpg', 'image/jpeg');
    await store.putMedia([video, poster]);

    const { stored, bytes, probe, sha256, hasPoster } =
      (await keptBefore(video, poster)) ?? (await fetched(video, poster, open, staged, signal));
    warnOfDifferences(task, probe);
    const expiresAt = clock.now() + settings.retentionMs;
    return {
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

  /** A crash came between the bytes and the transition: the object is there, and so it is whole. */
  async function keptBefore(video: MediaRow, poster: MediaRow) {
    const stat = await storage.stat(video.storageKey);
    if (!stat) return undefined;
    const measured = await storage.withLocalFile(video.storageKey, async (path) =>
      measure(path, await inspector.probe(path), poster),
    );
    return { stored: video, bytes: stat.bytes, ...measured };
  }

  async function fetched(
    video: MediaRow,
    poster: MediaRow,
    open: OpenVideo,
    staged: Staged,
    signal: AbortSignal,
  ) {
    const write = await storage.write(video.storageKey);
    // Bytes that were whole wait for the storage: the upstream's link may have expired since.
    const total = staged.whole === write.partial ? staged.whole : await fetchInto(write, open);
    delete staged.whole;
    const probe = await check(write);
    staged.whole = total;
    const measured = await measure(write.path, probe, poster);
    // After a pause of this process, or in another session, the object may be there, and announced, by the work of another node.
    signal.throwIfAborted();
    if (!cluster.held()) throw new Error('the session was lost before the video was kept');
    const facts = { bytes: total, sha256: measured.sha256 };
    const stored = await storeMeasured({ store, log }, write, { ...video, ...facts });
    return { stored, ...facts, ...measured };
  }

  async function fetchInto(write: MediaWrite, open: OpenVideo): Promise<number> {
    const opened = await open(write.partial);
    const total = await write.append(opened.stream, opened.offset);
    if (opened.bytes !== undefined && total !== opened.bytes) {
      if (total > opened.bytes) await write.abandon();
      throw new Error(`${total} of ${opened.bytes} bytes arrived`);
    }
    return total;
  }

  async function check(write: MediaWrite): Promise<Probe> {
    try {
      return await inspector.probe(write.path);
    } catch (error) {
      // Going on from damaged bytes would keep the damage.
      await write.abandon();
      throw new DamagedVideo(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  async function measure(path: string, probe: Probe, poster: MediaRow): Promise<Measured> {
    return { probe, sha256: await inspector.digest(path), hasPoster: await makePoster(path, poster) };
  }

  /** A video without a poster still is the video that was paid for: a failure here is only told. */
  async function makePoster(videoPath: string, { storageKey, taskId }: MediaRow): Promise<boolean> {
    try {
      await inspector.poster(videoPath, async (path) => {
        const write = await storage.write(storageKey);
        await write.append(createReadStream(path), 0);
        await write.commit();
      });
      return true;
    } catch (error) {
      log.warn({ task: taskId, err: error }, 'no poster could be made');
      return false;
    }
  }

  function warnOfDifferences(task: Task, probe: Probe): void {
    const { width, height, duration } = task.request;
    if (probe.width === width && probe.height === height && Math.abs(probe.duration - duration) < 0.5) return;
    log.warn(
      {
        task: task.id,
        asked: { width, height, duration },
        delivered: { width: probe.width, height: probe.height, duration: probe.duration },
      },
      'the upstream delivered another size or duration than asked for',
    );
  }

  return { keep };
}
