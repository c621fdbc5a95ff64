import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { newId, newTaskId } from '../../../src/tasks/ids.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aRequest, START_OF_TIME } from '../../support/builders.ts';
import { accepted, INTENT, intended, moved } from './steps.ts';

/** Lists of tasks. */
export function describeLists(name: string, open: () => Promise<Store>): void {
  describe(`${name}: a list`, () => {
    const ids = (tasks: readonly Task[]) => tasks.map(({ id }) => id);

    it.each([true, false])(
      'comes page by page, without gaps or repetitions, for one project (oldest first: %s)',
      async (old) => {
        const store = await open();
        const mine: string[] = [];
        for (let i = 0; i < 25; i++) {
          mine.push((await accepted(store)).id);
          await accepted(store, { projectId: 'other' });
        }
        const seen: string[] = [];
        for (;;) {
          const after = seen.at(-1);
          const page = await store.listTasks({
            projectId: 'project',
            limit: 10,
            ...(after ? { after } : {}),
            ...(old ? { oldestFirst: true } : {}),
          });
          seen.push(...ids(page));
          if (page.length < 10) break;
        }
        expect(seen).toEqual(old ? mine : mine.reverse());
      },
    );

    it('has each task once and completely, with its current attempt', async () => {
      const store = await open();
      const first = await intended(store, { accountId: 'first' });
      const refused = moved(first, { type: 'submit_refused', detail: 'busy' });
      const second = moved(refused.task, { ...INTENT, accountId: 'second', idempotencyKey: newId() });
      const confirmed = moved(second.task, { type: 'submit_confirmed', upstreamId: 'job', working: true });
      const ended = moved(confirmed.task, {
        type: 'upstream_succeeded',
        result: { ref: 'https://upstream/video', duration: 4 },
      });
      for (const step of [refused, second, confirmed, ended]) expect(await store.commit(step)).toBe(true);
      const failed = moved(await intended(store), {
        type: 'failed',
        error: taskError('upstream_failed', 'no'),
        outcome: 'failed',
        detail: 'why not',
      });
      expect(await store.commit(failed)).toBe(true);
      const listed = await store.listTasks({ projectId: 'project', limit: 10 });
      expect(listed).toStrictEqual([failed.task, ended.task]);
    });

    it('can be filtered by status', async () => {
      const store = await open();
      const waiting = await accepted(store);
      const submitting = await accepted(store, { phase: 'submitting' });
      const queuedUpstream = await accepted(store, { phase: 'running' });
      const working = await accepted(store, { phase: 'running', startedAt: START_OF_TIME });
      const storing = await accepted(store, { phase: 'storing', startedAt: START_OF_TIME });
      const done = await accepted(store, { phase: 'succeeded' });
      const failed = await accepted(store, { phase: 'failed' });
      const list = async (status: 'queued' | 'in_progress' | 'succeeded' | 'failed') =>
        ids(await store.listTasks({ projectId: 'project', limit: 10, status }));
      expect(await list('queued')).toEqual([queuedUpstream.id, submitting.id, waiting.id]);
      expect(await list('in_progress')).toEqual([storing.id, working.id]);
      expect(await list('succeeded')).toEqual([done.id]);
      expect(await list('failed')).toEqual([failed.id]);
    });

    it('can be filtered by model', async () => {
      const store = await open();
      await accepted(store, { request: aRequest({ model: 'one' }) });
      const other = await accepted(store, { request: aRequest({ model: 'two' }) });
      expect(ids(await store.listTasks({ projectId: 'project', limit: 10, model: 'two' }))).toEqual([
        other.id,
      ]);
    });

    it('can be filtered by metadata with any key', async () => {
      const store = await open();
      const name = fc.oneof(
        fc.constantFrom('a.b', 'a"b', "a'b", 'a[0]', '$', '', ' ', 'a\\b', '__proto__', 'ключ', '"', '\\"'),
        fc.string({ unit: 'grapheme', maxLength: 12 }),
      );
      await accepted(store, { request: aRequest({ metadata: { other: 'value' } }) });
      await fc.assert(
        fc.asyncProperty(name, fc.string({ maxLength: 12 }), async (key, value) => {
          const projectId = newTaskId();
          const metadata = Object.fromEntries([[key, value]]);
          const task = await accepted(store, { projectId, request: aRequest({ metadata }) });
          await accepted(store, { projectId, request: aRequest({ metadata: { [`${key}x`]: value } }) });
          await accepted(store, { projectId, request: aRequest() });
          const listed = await store.listTasks({ projectId, limit: 10, metadata });
          expect(ids(listed)).toEqual([task.id]);
        }),
        { numRuns: 60 },
      );
    });

    it('can be filtered by several metadata at once', async () => {
      const store = await open();
      const both = await accepted(store, { request: aRequest({ metadata: { a: '1', b: '2' } }) });
      await accepted(store, { request: aRequest({ metadata: { a: '1' } }) });
      const metadata = { a: '1', b: '2' };
      expect(ids(await store.listTasks({ projectId: 'project', limit: 10, metadata }))).toEqual([both.id]);
    });

    it('leaves out deleted tasks', async () => {
      const store = await open();
      const task = await accepted(store, { phase: 'failed' });
      await store.commit(moved(task, { type: 'deleted' }));
      expect(await store.listTasks({ projectId: 'project', limit: 10 })).toEqual([]);
    });
  });
}
