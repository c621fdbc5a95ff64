import type { MediaStat, Probe } from '../../media/media.ts';
import type { MediaRow } from '../../store/store.ts';
import { pause } from '../../time/pause.ts';
import type { EngineParts } from '../parts.ts';

/** A video that is in the storage, and what was measured of it. */
export interface Measured {
  /** The row of the stored object, with its final key. */
  readonly stored: MediaRow;
  readonly bytes: number;
  readonly probe: Probe;
  readonly sha256: string;
}

/** What one process remembers between its tries to find a stored video. */
export interface SearchMemory {
  /** `some`: an earlier driver may have stored the video already. `unknown`: the storage could not be read. */
  earlier: 'none' | 'some' | 'unknown';
}

/** How long to wait for the storage to say whether it has the video, before the video is downloaded. Milliseconds. */
const STAT_MS = 5000;

type SearchParts = Pick<EngineParts, 'store' | 'storage' | 'inspector' | 'timers' | 'log'>;

export function createStoredSearch(parts: SearchParts) {
  const { store, storage, inspector, timers, log } = parts;

  /** Looks for a video that an earlier driver stored without recording the transition. */
  async function findStored(
    video: MediaRow,
    memory: SearchMemory,
    signal: AbortSignal,
  ): Promise<Measured | undefined> {
    if (memory.earlier === 'none') return undefined;
    // A staged file was not committed yet, or can be committed again.
    if ((await storage.write(video.storageKey)).partial > 0) return undefined;
    try {
      const row = (await withTimeout(() => store.media(video.id), signal)) ?? video;
      const stat = await withTimeout(() => storage.stat(row.storageKey), signal);
      const measured = stat && (await measureStored(row, stat));
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
  function measureStored(video: MediaRow, { bytes }: MediaStat) {
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
      await store.putMedia([video]);
      return { stored: video, bytes, sha256, probe: verdict.probe };
    });
  }

  return findStored;
}
