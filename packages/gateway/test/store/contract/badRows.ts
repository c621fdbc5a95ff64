import { describe, expect, it, type Mock, vi } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aKey, aMediaRow, aRequest, START_OF_TIME } from '../../support/builders.ts';
import { endOf, failed } from './events.ts';
import { accepted, intended } from './steps.ts';
import { anEndpoint } from './webhooks.ts';

/** A store, and direct access to its rows. */
export interface OpenedBeside {
  readonly store: Store;
  run(sql: string): Promise<void>;
}

type Log = { warn: Mock; error: Mock };

/** Wrong contents of a text column. */
const WRONG = ['not JSON', '{"model":', 'null', '[]', '{}', '"text"', '17'] as const;

const COLUMNS = ['request', 'price', 'result', 'error', 'upstream_result', 'phase'] as const;

const METADATA = { order: 'seven' };

/** An unreadable row affects nothing else. */
export function describeBadRows(name: string, open: (log: Log) => Promise<OpenedBeside>): void {
  const opened = async () => {
    const log = { warn: vi.fn(), error: vi.fn() };
    return { log, ...(await open(log)) };
  };

  /** Five tasks of a dead node that are being submitted with the same prompt; the first, third and last are damaged. */
  async function damaged({ store, run }: OpenedBeside, column: string, value: string) {
    const tasks: Task[] = [];
    for (let n = 0; n < 5; n++) {
      tasks.push(await intended(store, {}, { owner: 'dead', request: aRequest({ metadata: METADATA }) }));
    }
    await run(
      `update attempts set outcome = 'expired', upstream_id = task_id, ended_at = ${START_OF_TIME}, upstream_result = '{"ref":"x"}'`,
    );
    const bad = tasks.filter((_, n) => n % 2 === 0);
    const [table, id] = column === 'upstream_result' ? ['attempts', 'task_id'] : ['tasks', 'id'];
    const ids = bad.map((task) => `'${task.id}'`).join(', ');
    await run(`update ${table} set ${column} = '${value}' where ${id} in (${ids})`);
    return { bad, good: tasks.filter((task) => !bad.includes(task)).map(({ id: own }) => own) };
  }

  it.each([
    ['events', 'task', 'not JSON'],
    ['webhook_endpoints', 'events', '17'],
  ])(`${name}: a delivery whose %s cannot be read is taken with the reason`, async (table, column, value) => {
    const { store, run } = await opened();
    await store.addEndpoint(anEndpoint(), 'secret', 100);
    const task = await failed(store);
    await run(`update ${table} set ${column} = '${value}'`);
    const { claimed } = await store.claimDeliveries({
      now: START_OF_TIME * 2,
      leaseMs: 1,
      limit: 1,
      perLane: 1,
      perProject: 1,
      inLane: {},
      inProject: {},
    });
    expect(claimed).toMatchObject([{ delivery: { taskId: task.id }, unreadable: expect.any(String) }]);
  });

  const ids = (tasks: readonly { id: string }[]) => tasks.map(({ id }) => id);

  /** All pages, of which only the last may be short. */
  async function pages(read: (after?: string) => Promise<readonly { id: string }[]>): Promise<string[]> {
    const all: string[] = [];
    for (;;) {
      const page = ids(await read(all.at(-1)));
      all.push(...page);
      if (page.length < 1) return all;
    }
  }

  it.each([...WRONG, '{"id":"video_1","phase":"failed","createdAt":1}'])(
    `${name}: an event whose task is %j is left out, and those after it are read`,
    async (value) => {
      const { store, run } = await opened();
      const from = await endOf(store);
      const { view } = await store.newEvents(undefined, 1);
      const tasks = [await failed(store), await failed(store), await failed(store)];
      await run(`update events set task = '${value}' where task_id = '${tasks[1]?.id}'`);
      const page = await store.eventsAfter(from, { limit: 10 });
      if (typeof page === 'string') throw new Error(page);
      for (const { events } of [page, await store.newEvents(view, 10)])
        expect(events.map(({ event }) => event.taskId)).toEqual([tasks[0]?.id, tasks[2]?.id]);
    },
  );

  describe.each(COLUMNS)(`${name}: a task whose %s cannot be read`, (column) => {
    it.each(WRONG)(
      'because it is %j does not keep others from being listed, read, adopted and driven',
      async (value) => {
        const beside = await opened();
        const { store, log } = beside;
        const { bad, good } = await damaged(beside, column, value);
        const newest = good.toReversed();
        const query = { projectId: 'project', limit: 1 };

        expect(await pages((after) => store.listTasks({ ...query, ...(after ? { after } : {}) }))).toEqual(
          newest,
        );
        expect(ids(await store.listTasks({ ...query, limit: 10 }))).toEqual(newest);
        if (column !== 'request') {
          expect(ids(await store.listTasks({ ...query, limit: 10, metadata: METADATA }))).toEqual(newest);
        }
        expect(ids(await store.tasks([...ids(bad), ...good])).sort()).toEqual(good);
        expect(ids(await store.expiredSince(0, 10)).sort()).toEqual(good);
        if (column === 'request') {
          const like = await store.submittingLike(await intended(store));
          expect(ids(like).sort()).toEqual(good);
        }
        for (const task of bad) {
          await expect(store.task(task.id)).rejects.toMatchObject({ code: 'row_unreadable', status: 500 });
        }

        if (column !== 'phase') {
          const adopted = [
            await store.adopt('heir', 1),
            await store.adopt('heir', 1),
            await store.adopt('heir', 1),
          ];
          expect(adopted.flatMap(ids).slice(0, 2)).toEqual(good);
          expect(
            await pages((after) => store.owned('heir', 1, after)).then((all) => all.slice(0, 2)),
          ).toEqual(good);
          // Set aside for good: no node adopts them again while this node lives.
          expect(ids(await store.adopt('heir', 10)).filter((id) => ids(bad).includes(id))).toEqual([]);
        }

        expect(store.unreadable()).toBe(bad.length);
        expect(log.error.mock.calls.map(([facts]) => facts.id).sort()).toEqual(ids(bad).sort());
        expect(log.error).toHaveBeenCalledWith(
          expect.objectContaining({
            event: 'store.row_unreadable',
            table: 'tasks',
            reason: expect.any(String),
          }),
          expect.any(String),
        );
      },
    );
  });

  describe(`${name}: a row that cannot be read`, () => {
    it('does not stop a list by metadata, whatever its request is', async () => {
      const beside = await opened();
      for (const value of WRONG) {
        const { good } = await damaged(beside, 'request', value);
        const query = { projectId: 'project', metadata: METADATA, limit: 100 };
        expect(ids(await beside.store.listTasks(query))).toEqual(expect.arrayContaining(good));
        const [newest] = good.toReversed();
        expect(ids(await beside.store.listTasks({ ...query, limit: 1 }))).toEqual([newest]);
        const other = { ...query, metadata: { order: 'eight' } };
        expect(await beside.store.listTasks(other)).toEqual([]);
      }
    });

    it('is not replaced by a new task with its idempotency key', async () => {
      const { store, run } = await opened();
      const idempotency = { key: 'once', bodyHash: 'h', expiresAt: START_OF_TIME * 2 };
      const task = await accepted(store, {}, { idempotency });
      await run(`update tasks set request = 'damaged' where id = '${task.id}'`);
      await expect(accepted(store, {}, { idempotency })).rejects.toMatchObject({ code: 'row_unreadable' });
      await expect(store.acceptedUnder('project', 'once', START_OF_TIME)).rejects.toMatchObject({
        status: 500,
      });
    });

    it('of a file affects only that file: a storage key that leads elsewhere', async () => {
      const { store, run } = await opened();
      const [good, bad] = [aMediaRow(), aMediaRow()];
      await store.putMedia([good, bad]);
      for (const value of ['', 'video', '../../etc/passwd', 'video/../x.mp4', '/video/x.mp4']) {
        await run(`update media set storage_key = '${value}' where id = '${bad.id}'`);
        expect(await store.media(good.id)).toEqual(good);
        await expect(store.media(bad.id)).rejects.toMatchObject({ code: 'row_unreadable' });
      }
      expect(store.unreadable()).toBe(1);
    });

    it('of an API key affects only that key', async () => {
      const { store, run } = await opened();
      const [good, bad] = [aKey(), aKey()];
      for (const key of [good, bad]) {
        await store.putKey(key, { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: key.id });
      }
      for (const value of ['generate', '{}', '[1]']) {
        await run(`update keys set scopes = '${value}' where id = '${bad.id}'`);
        expect(await store.listKeys()).toEqual([good]);
        expect(await store.keyByHash(good.hash)).toMatchObject(good);
        await expect(store.keyByHash(bad.hash)).rejects.toMatchObject({ code: 'row_unreadable' });
      }
      expect(store.unreadable()).toBe(1);
    });
  });
}
