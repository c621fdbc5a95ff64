import type { Readable } from 'node:stream';
import type { Engine } from '../engine/engine.ts';
import { refusedVideo } from '../media/inputs/clips.ts';
import type { VerifiedMedia } from '../media/verified.ts';
import type { MediaIndex, MediaRow } from '../store/store.ts';
import { statusOf, type Task, type TaskResult } from '../tasks/task.ts';
import type { Clock } from '../time/clock.ts';

/** The result of a finished task of the project. Throws what `refuse` makes of the reason why there is none. A foreign task is treated as if it did not exist. */
export function resultOf(
  task: Task | undefined,
  projectId: string,
  refuse: (why: string) => Error,
): { readonly task: Task; readonly result: TaskResult } {
  if (!task || task.projectId !== projectId) {
    throw refuse('names no video of your project; check the id or the link.');
  }
  if (task.deletedAt !== undefined) throw refuse('names a video that was deleted.');
  if (task.phase === 'failed') throw refuse('names a task that failed: it has no video.');
  const { result } = task;
  if (!result) throw refuse(`names a task that is ${statusOf(task)}; wait until it has succeeded.`);
  return { task, result };
}

interface OwnVideoParts {
  readonly engine: Pick<Engine, 'read'>;
  readonly store: Pick<MediaIndex, 'media'>;
  readonly media: Pick<VerifiedMedia<MediaRow>, 'read'>;
  readonly clock: Clock;
}

/** Opens the stored video of a finished task of the project, as a reference for another. Throws a 400 that names the reference. */
export const createVideoOpener =
  ({ engine, store, media, clock }: OwnVideoParts) =>
  async (taskId: string, projectId: string, field: string): Promise<Readable> => {
    const refuse = (why: string) => refusedVideo(field, why);
    const { result } = resultOf(await engine.read(taskId), projectId, refuse);
    const row = result.expiresAt > clock.now() ? await store.media(result.videoId) : undefined;
    if (row?.state !== 'present') throw refuse('names a video that is no longer stored.');
    return media.read(row);
  };
