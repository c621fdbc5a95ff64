import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readMediaRow } from '../../src/api/mediaRow.ts';
import { createFeed } from '../../src/engine/events/feed.ts';
import type { MediaRow, Store } from '../../src/store/store.ts';
import { aMediaRow, aTask } from '../support/builders.ts';

const TASK = aTask();
const POSTER = aMediaRow({ kind: 'poster', state: 'pending', taskId: TASK.id });

/** A request for a row, which `rows` has at each read; the last one stays. */
function reading(...rows: (MediaRow | undefined)[]) {
  const feed = createFeed();
  const media = vi.fn(async () => (rows.length > 1 ? rows.shift() : rows[0]));
  const store: Pick<Store, 'media'> = { media };
  return {
    answer: readMediaRow({ store: store as Store, feed }, POSTER.id),
    media,
    async made() {
      await vi.waitFor(() => expect(media).toHaveBeenCalledTimes(2));
      feed.publish({ task: TASK, transition: false });
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it.each<[string, MediaRow | undefined]>([
  ['is stored', { ...POSTER, state: 'present' }],
  ['is damaged', { ...POSTER, state: 'damaged' }],
  ['is a video', { ...POSTER, kind: 'video' }],
  ['does not exist', undefined],
])('a file that %s is not waited for', async (_what, row) => {
  const { answer, media } = reading(row);
  expect(await answer).toBe(row);
  expect(media).toHaveBeenCalledTimes(1);
});

it('a poster is waited for until it is made', async () => {
  const present = { ...POSTER, state: 'present' } as const;
  const { answer, made } = reading(POSTER, POSTER, present);
  await made();
  expect(await answer).toBe(present);
});

it('a poster that is made before the wait begins is found', async () => {
  const present = { ...POSTER, state: 'present' } as const;
  expect(await reading(POSTER, present).answer).toBe(present);
});

it('a poster that takes too long is refused for now', async () => {
  const { answer, media } = reading(POSTER);
  const refused = expect(answer).rejects.toMatchObject({ code: 'not_ready', status: 409 });
  await vi.waitFor(() => expect(media).toHaveBeenCalledTimes(2));
  await vi.advanceTimersByTimeAsync(5000);
  await refused;
});
