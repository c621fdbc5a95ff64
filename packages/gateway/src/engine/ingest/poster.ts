import { createReadStream } from 'node:fs';
import type { MediaWrite } from '../../media/media.ts';
import { NativeJobError } from '../../native/errors.ts';
import type { MediaRow } from '../../store/store.ts';
import type { EngineParts } from '../parts.ts';

type PosterParts = Pick<EngineParts, 'storage' | 'inspector' | 'log'>;

/** What one process remembers between its tries to make a poster. */
export interface PosterMemory {
  posterTries: number;
}

/** Tries to make a poster if this machine fails to. */
const POSTER_TRIES = 3;

/** Stages a poster. Undefined if none can be made: a video is delivered without one, too. */
export async function stagePoster(
  { storage, inspector, log }: PosterParts,
  videoPath: string,
  { storageKey, taskId }: MediaRow,
  memory: PosterMemory,
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

const isPosterNote = (note: unknown): note is { bytes: number } =>
  typeof note === 'object' && note !== null && 'bytes' in note;
