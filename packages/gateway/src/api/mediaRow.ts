import type { MediaRow } from '../store/store.ts';
import { OnetakeError } from '../tasks/errors.ts';
import type { ApiContext } from './context.ts';

/** How long a request waits for a poster. Making one takes a fraction of a second. Milliseconds. */
const POSTER_MS = 5000;

/**
 * The row of a finished video or its poster; undefined if there is none any more. A task succeeds before its poster is made, so a request
 * for a poster waits until it is. Throws a 409 if that takes too long.
 */
export async function readMediaRow(
  { store, feed }: Pick<ApiContext, 'store' | 'feed'>,
  id: string,
): Promise<MediaRow | undefined> {
  const found = await store.media(id);
  if (!found || !isAwaited(found)) return found;
  const changed = Promise.withResolvers<void>();
  const stop = feed.onTask(found.taskId, () => changed.resolve());
  const timer = setTimeout(changed.resolve, POSTER_MS);
  try {
    // It may have been made before the subscription.
    let row = await store.media(id);
    if (row && isAwaited(row)) {
      await changed.promise;
      row = await store.media(id);
    }
    if (!row || !isAwaited(row)) return row;
  } finally {
    stop();
    clearTimeout(timer);
  }
  throw new OnetakeError('not_ready', 409, 'The poster frame is not made yet; try again in a minute.', {
    retryAfterSeconds: 60,
  });
}

const isAwaited = (row: MediaRow): row is MediaRow & { readonly taskId: string } =>
  row.kind === 'poster' && row.state === 'pending' && row.taskId !== undefined;
