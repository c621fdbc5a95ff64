import { describe, expect, it } from 'vitest';
import type { EventPage, LoggedEvent, Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, move } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aRequest, START_OF_TIME } from '../../support/builders.ts';
import { accepted, INTENT, moved } from './steps.ts';

const FAILED: Event = { type: 'failed', error: taskError('cancelled', 'cancelled'), outcome: 'cancelled' };
const DELIVERED: Event = { type: 'upstream_succeeded', result: { ref: 'there' } };
const STORED: Event = {
  type: 'stored',
  result: {
    videoId: 'v',
    posterId: 'p',
    bytes: 1,
    sha256: 's',
    duration: 4,
    width: 3,
    height: 4,
    videoCodec: 'h264',
    expiresAt: 5,
  },
};

/** Writes moves of a task one after the other; resolves with the task. */
async function live(store: Store, task: Task, ...events: readonly Event[]): Promise<Task> {
  let now = task;
  for (const event of events) {
    const next = moved(now, event);
    expect(await store.commit(next)).toBe(true);
    now = next.task;
  }
  return now;
}

/** A task that has failed, with the event of it. */
export async function failed(store: Store, changes: Partial<Task> = {}): Promise<Task> {
  return live(store, await accepted(store, changes), FAILED);
}

const intent = (): Event => ({ ...INTENT, idempotencyKey: newId() });
const CONFIRMED: Event = { type: 'submit_confirmed', upstreamId: 'u', working: false };

/** The cursor behind everything so far. */
export const endOf = async (store: Store): Promise<string> => (await store.newEvents(undefined, 1)).end;

/** Everything behind a cursor, page by page. */
export async function readAfter(
  store: Store,
  cursor: string,
  { limit = 100, projectId = 'project' } = {},
): Promise<LoggedEvent[]> {
  const events: LoggedEvent[] = [];
  for (let next: EventPage['next'] = { after: cursor, view: '' }; next; ) {
    const page: EventPage | string = await store.eventsAfter(next.after, {
      limit,
      projectId,
      view: next.view || undefined,
    });
    if (typeof page === 'string') throw new Error(`the cursor is ${page}`);
    events.push(...page.events);
    next = page.next;
  }
  return events;
}

const brief = (events: readonly LoggedEvent[]) => events.map(({ event: { type, taskId } }) => [type, taskId]);

/** The event log. */
export function describeEvents(name: string, open: () => Promise<Store>): void {
  describe(`${name}: the event log`, () => {
    it('has each public change of a task, with the task as it was then', async () => {
      const store = await open();
      const from = await endOf(store);
      const metadata = { order: '42' };
      const task = await accepted(store, { request: aRequest({ prompt: 'a secret boat', metadata }) });
      const done = await live(store, task, intent(), CONFIRMED, { type: 'work_started' }, DELIVERED, STORED);
      // Changes that no answer shows, or that come after the event.
      await live(store, done, { type: 'media_repaired', result: { posterId: undefined } });
      const events = await readAfter(store, from);
      expect(brief(events)).toEqual([
        ['video.started', task.id],
        ['video.succeeded', task.id],
      ]);
      expect(events[0]?.event).toMatchObject({
        projectId: 'project',
        keyId: 'key',
        at: START_OF_TIME + 1000,
      });
      expect(events[0]?.event.task).toMatchObject({ phase: 'running', request: { metadata } });
      expect(events[1]?.event.task).toMatchObject({
        phase: 'succeeded',
        result: { posterId: 'p', costMicros: 400_000 },
      });
      expect(new Set(events.map(({ event }) => event.id)).size).toBe(2);
      for (const { event } of events) expect(event.id).toMatch(/^evt_[0-9a-f]{32}$/);
      expect(JSON.stringify(events)).not.toContain('secret');
    });

    it('has no event of a move that another driver was faster than', async () => {
      const store = await open();
      const from = await endOf(store);
      const task = await accepted(store);
      const outcomes = await Promise.all([
        store.commit(moved(task, FAILED)),
        store.commit(moved(task, FAILED)),
      ]);
      expect(outcomes).toEqual([true, false]);
      expect(brief(await readAfter(store, from))).toEqual([['video.failed', task.id]]);
    });

    it('forgets a task that is deleted', async () => {
      const store = await open();
      const from = await endOf(store);
      const [gone, kept] = [await failed(store), await failed(store)];
      await live(store, gone, { type: 'deleted' });
      expect(brief(await readAfter(store, from))).toEqual([['video.failed', kept.id]]);
    });

    it('is read page by page, and from each cursor on; projects see their own only', async () => {
      const store = await open();
      const from = await endOf(store);
      const ids: string[] = [];
      for (let n = 0; n < 7; n++) {
        ids.push((await failed(store)).id);
        await failed(store, { projectId: 'other' });
      }
      const events = await readAfter(store, from, { limit: 2 });
      expect(events.map(({ event }) => event.taskId)).toEqual(ids);
      for (const [at, { cursor }] of events.entries()) {
        const rest = await readAfter(store, cursor, { limit: 3 });
        expect(rest.map(({ event }) => event.taskId)).toEqual(ids.slice(at + 1));
      }
    });

    it('from view to view gives each event once', async () => {
      const store = await open();
      await failed(store);
      let { view } = await store.newEvents(undefined, 10);
      const given: string[] = [];
      const ids: string[] = [];
      for (let round = 0; round < 3; round++) {
        const tasks = await Promise.all(Array.from({ length: 5 }, () => failed(store)));
        ids.push(...tasks.map(({ id }) => id));
        let page = await store.newEvents(view, 2);
        given.push(...page.events.map(({ event }) => event.taskId));
        while (page.next) {
          page = await store.newEvents(view, 2, page.next);
          given.push(...page.events.map(({ event }) => event.taskId));
        }
        view = page.view;
        expect((await store.newEvents(view, 10)).events).toEqual([]);
      }
      expect(given.sort()).toEqual(ids.sort());
    });

    it('knows that events behind a cursor were removed', async () => {
      const store = await open();
      const from = await endOf(store);
      const now = START_OF_TIME + 1_000_000;
      const old = [await failed(store), await failed(store), await failed(store)];
      const middle = (await readAfter(store, from)).at(-1)?.cursor ?? '';
      const late = move(await accepted(store), FAILED, now);
      if (!late || !(await store.commit(late))) throw new Error('not written');
      expect(await store.removeEvents(now, 500_000, 2)).toBe(2);
      expect(await store.eventsAfter(from, { limit: 9 })).toBe('too_old');
      expect(await store.removeEvents(now, 500_000, 2)).toBe(1);
      expect(await store.removeEvents(now, 500_000, 2)).toBe(0);
      expect(brief(await readAfter(store, middle))).toEqual([['video.failed', late.task.id]]);
      expect(old).toHaveLength(3);
    });

    it('does not know cursors of this log with places that no database has', async () => {
      const store = await open();
      await failed(store);
      const [log] = Buffer.from(await endOf(store), 'base64url')
        .toString()
        .split(' ');
      for (const [tx, seq] of [
        [2n ** 64n, 0n],
        [0n, 2n ** 63n],
        [10n ** 20n - 1n, 10n ** 19n - 1n],
        [2n ** 64n - 1n, 2n ** 63n - 1n],
      ]) {
        const cursor = Buffer.from(`${log} ${tx} ${seq}`).toString('base64url');
        expect(await store.eventsAfter(cursor, { limit: 9 }), `${tx} ${seq}`).toBe('unknown');
      }
    });

    it('does not know cursors of another log, nor those from before they were forgotten', async () => {
      const store = await open();
      await failed(store);
      const other = await endOf(await open());
      const own = await endOf(store);
      for (const cursor of [other, '', 'x', '0', own.slice(1), Buffer.from('a 1 1').toString('base64url')]) {
        expect(await store.eventsAfter(cursor, { limit: 9 }), cursor).toBe('unknown');
      }
      expect(await readAfter(store, own)).toEqual([]);
      await store.forgetCursors();
      expect(await store.eventsAfter(own, { limit: 9 })).toBe('unknown');
      const from = await endOf(store);
      const { id } = await failed(store);
      expect(brief(await readAfter(store, from))).toEqual([['video.failed', id]]);
    });
  });
}
