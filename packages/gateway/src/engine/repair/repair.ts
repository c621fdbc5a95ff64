import { createReadStream } from 'node:fs';
import type { AccountState } from '../../limits/account.ts';
import { anotherKey } from '../../media/key.ts';
import type { MediaWrite } from '../../media/media.ts';
import type { VerifiedMedia } from '../../media/verified.ts';
import { NativeJobError } from '../../native/errors.ts';
import type { Handle, OpenedResult, Provider } from '../../providers/provider.ts';
import type { MediaRow } from '../../store/store.ts';
import { move, type StoredFiles } from '../../tasks/lifecycle.ts';
import type { Task, TaskResult, UpstreamResult } from '../../tasks/task.ts';
import { asMp4 } from '../ingest/remux.ts';
import { atMost, type StagedVideo } from '../ingest/staging.ts';
import { handleOf } from '../job.ts';
import type { EngineParts } from '../parts.ts';

/** Repairs stored files: videos from the upstream that made them, posters from their videos. The first poster is made here, too. */
export interface Repair {
  /** One try. `settled`: nothing was damaged. `hopeless`: no later try can succeed. Throws if a later try may. */
  repairRow(row: Pick<MediaRow, 'id'>, signal: AbortSignal): Promise<'repaired' | 'settled' | 'hopeless'>;
}

interface RepairParts
  extends Pick<EngineParts, 'store' | 'storage' | 'inspector' | 'feed' | 'clock' | 'settings' | 'log'> {
  readonly media: VerifiedMedia<MediaRow>;
  readonly accountStates: ReadonlyMap<string, AccountState>;
}

type Result = Task & { readonly result: TaskResult };

export function createRepair(parts: RepairParts): Repair {
  const { store, storage, inspector, feed, clock, settings, log, media, accountStates } = parts;

  /** False if the task was deleted or the row `before` was changed meanwhile. */
  async function record(
    task: Task,
    { before, rows }: { readonly before: MediaRow; readonly rows: readonly MediaRow[] },
    result: StoredFiles,
    again = true,
  ): Promise<boolean> {
    const repaired = move(task, { type: 'media_repaired', result }, clock.now());
    if (!repaired) return false;
    if (await store.commit(repaired, rows)) {
      // Not a transition: only the task's cached answer changes.
      feed.publish({ task: repaired.task, transition: false });
      return true;
    }
    // The other file of the task may have been made or repaired at the same time.
    const [stored, row] = await Promise.all([store.task(task.id), store.media(before.id)]);
    const isSame = row?.state === before.state && row.storageKey === before.storageKey;
    return again && isSame && stored !== undefined && record(stored, { before, rows }, result, false);
  }

  /** Replaces the stored row with `row`. If the task was changed meanwhile, removes the new object and throws. */
  async function swap(task: Task, before: MediaRow, row: MediaRow, result: StoredFiles): Promise<void> {
    const isSame = row.storageKey === before.storageKey;
    if (!(await record(task, { before, rows: [{ ...row, state: 'present' }] }, result))) {
      // The row of a task that was deleted is gone, too.
      if (!isSame || !(await store.media(row.id))) await storage.remove(row.storageKey);
      throw new Error(`task ${task.id} was changed while its media was repaired`);
    }
    if (isSame) return;
    await storage.remove(before.storageKey).catch((error) => {
      log.warn(
        { event: 'retention.remove_failed', key: before.storageKey, err: error },
        'cannot remove a damaged object; the sweep tries again',
      );
    });
  }

  async function repairVideo(task: Result, row: MediaRow, signal: AbortSignal) {
    const provider = accountStates.get(task.attempt?.accountId ?? '')?.account.provider;
    const handle = handleOf(task.attempt);
    const result = task.attempt?.upstreamResult;
    if (!provider || !handle || !result) return 'hopeless';
    const storageKey = anotherKey(row.storageKey);
    let write = await storage.write(storageKey);
    try {
      const opened = await openVideo(provider, handle, result, signal, settings.callTimeoutMs);
      if (!opened) return 'hopeless';
      const received = await receive(
        inspector,
        write,
        opened,
        maxDownloadBytes(row.bytes ?? task.result.bytes),
      );
      const { write: whole, ...facts } =
        received.sha256 === row.sha256
          ? { ...received, write }
          : await remuxed(parts, storageKey, { ...received, write });
      write = whole;
      // Other bytes may be another video, as when the upstream reuses an id, or an error page.
      if (facts.sha256 !== row.sha256) throw new Error('the upstream delivers other bytes than before');
      signal.throwIfAborted();
      await write.commit();
      await swap(task, row, { ...row, storageKey, ...facts }, facts);
      return 'repaired';
    } finally {
      await write.abandon().catch(() => undefined);
    }
  }

  async function repairPoster(task: Result, row: MediaRow) {
    const video = await store.media(task.result.videoId);
    if (video?.state !== 'present') return 'hopeless';
    const storageKey = row.state === 'damaged' ? anotherKey(row.storageKey) : row.storageKey;
    const made = storage.withLocalFile(video.storageKey, async (videoPath) => {
      if (video.sha256 !== undefined && (await inspector.digest(videoPath)) !== video.sha256)
        throw new Error('the video of the poster is damaged');
      let facts: { bytes: number; sha256: string } | undefined;
      await inspector.poster(videoPath, async (path) => {
        const write = await storage.write(storageKey);
        const bytes = await write.append(createReadStream(path), 0);
        facts = { bytes, sha256: await inspector.digest(path) };
        // A poster that a power failure takes is missed when it is asked for, or checked, and made again.
        await write.commit(storageKey, { synced: false });
      });
      return facts;
    });
    const facts = await made.catch(async (error) => {
      // The video has no usable frame, so no answer may link to one.
      if (error instanceof NativeJobError && row.state === 'pending')
        await record(task, { before: row, rows: [] }, { posterId: undefined });
      throw error;
    });
    if (!facts) throw new Error('no poster was made');
    const kept = video.expiresAt === undefined ? {} : { expiresAt: video.expiresAt };
    await swap(task, row, { ...row, ...kept, storageKey, ...facts }, { posterId: row.id });
    return row.state === 'damaged' ? 'repaired' : 'settled';
  }

  return {
    async repairRow({ id }, signal) {
      const row = await store.media(id);
      if (!row || row.state === 'present') return 'settled';
      const task = row.taskId === undefined ? undefined : await store.task(row.taskId);
      if (!isFinished(task) || task.deletedAt !== undefined) return 'hopeless';
      const { videoId, posterId } = task.result;
      if (row.kind === 'poster') {
        return posterId === undefined || posterId === id ? repairPoster(task, row) : 'hopeless';
      }
      if (row.kind !== 'video' || videoId !== id) return 'hopeless';
      // An operator may have restored the file.
      if (!(await media.verify(row))) {
        await swap(task, row, row, {});
        return 'repaired';
      }
      return repairVideo(task, row, signal);
    },
  };
}

/** Opens the video by its stored link, or by a fresh one from the upstream. Undefined if the upstream no longer has the video. */
async function openVideo(
  provider: Provider,
  handle: Handle,
  result: UpstreamResult,
  signal: AbortSignal,
  callTimeoutMs: number,
): Promise<OpenedResult | undefined> {
  try {
    return await provider.open(handle, result, 0, signal);
  } catch (error) {
    signal.throwIfAborted();
    const soon = AbortSignal.any([signal, AbortSignal.timeout(callTimeoutMs)]);
    const answer = await provider.poll(handle, soon);
    if (answer.state === 'missing' || answer.state === 'failed') return undefined;
    if (answer.state !== 'succeeded') throw error;
    return provider.open(handle, answer.result, 0, signal);
  }
}

/** Remuxes the staged file if it is not an MP4, as was done before it was stored. */
async function remuxed(parts: RepairParts, storageKey: string, staged: Omit<StagedVideo, 'probe'>) {
  const verdict = await parts.inspector.probe(staged.write.path);
  if (!verdict.ok) return staged;
  const { write, bytes, sha256 } = await asMp4(parts, storageKey, { ...staged, probe: verdict.probe });
  return { write, bytes, sha256 };
}

/** Reads the stream into `write`. A stream much longer than the stored file is not the same video. */
async function receive(
  inspector: RepairParts['inspector'],
  write: MediaWrite,
  opened: OpenedResult,
  maxBytes: number,
) {
  const { bytes, free } = opened;
  const total = await write.append(atMost(maxBytes, opened), 0, (_length, piece) => piece && free?.(piece));
  if (bytes !== undefined && bytes !== total) throw new Error(`${total} of ${bytes} bytes arrived`);
  return { bytes: total, sha256: await inspector.digest(write.path) };
}

/** The maximum download size: another container may need more bytes for the same packets. */
const maxDownloadBytes = (bytes: number): number => Math.ceil(bytes * 1.25) + 65_536;

const isFinished = (task: Task | undefined): task is Result =>
  task?.phase === 'succeeded' && task.result !== undefined;
