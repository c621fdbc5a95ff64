import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { SqliteOptions } from '../../../src/store/sqlite/store.ts';
import { anAcceptance, aTask } from '../../support/builders.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { describeEmbedded, openStore } from './embedded.ts';

describeEmbedded('SQLite in threads', { threads: true });

/** A store with its threads as they are started, and a connection of another process. */
async function opened(options: Partial<SqliteOptions> = {}) {
  const workers: Worker[] = [];
  const note = (worker: Worker) => void workers.push(worker);
  process.on('worker', note);
  onTestFinished(() => void process.off('worker', note));
  const dir = await tempFolder();
  const log = { error: vi.fn() };
  const store = await openStore(dir, { threads: true, log, ...options });
  await store.check();
  const beside = new Database(join(dir, 'onetake.db'));
  onTestFinished(() => void beside.close());
  return { dir, store, log, beside, workers };
}

/** Takes SQLite about a second. */
const SLOW = `(with recursive n (i) as (select 1 union all select i + 1 from n where i < 6000000) select count(*) from n) > 0`;

describe('beside the event loop', () => {
  it('a write is done while the loop turns and rows are read', async () => {
    const { store, beside } = await opened();
    const before = aTask();
    await store.accept(anAcceptance(before));
    beside.exec(`create trigger slow before insert on tasks when ${SLOW} begin select 1; end`);
    let written = false;
    const writing = store.accept(anAcceptance(aTask())).then(() => {
      written = true;
    });
    for (let turns = 0; turns < 100; turns++) {
      expect(await store.task(before.id)).toStrictEqual(before);
      await turn();
    }
    expect(written).toBe(false);
    await writing;
  });

  it('a long list keeps neither a write nor a read of one row nor another process waiting', async () => {
    const { store, beside } = await opened();
    beside.exec(`alter table webhook_endpoints rename to elsewhere;
      create view webhook_endpoints as select * from elsewhere union all select e.* from elsewhere e where ${SLOW}`);
    beside.exec(`insert into elsewhere (id, project_id, url, signature, created_at)
      values ('whep', 'project', 'https://example.com', 'hmac', 1)`);
    let listed = false;
    const listing = store.endpoints('project').then((endpoints) => {
      listed = true;
      return endpoints;
    });
    const task = aTask();
    expect(await store.accept(anAcceptance(task))).toEqual({ outcome: 'accepted' });
    expect(await store.task(task.id)).toStrictEqual(task);
    beside.exec('update write_check set written = written + 1');
    expect(listed).toBe(false);
    expect(await listing).toHaveLength(2);
  });

  it('a value that cannot be sent to a thread fails its own write, and none of those beside it', async () => {
    const { store } = await opened();
    const [task, wrong, other] = [aTask(), aTask(), aTask()];
    const accepting = [task, { ...wrong, deadlineAt: Symbol('not a time') as unknown as number }, other].map(
      (one) => store.accept(anAcceptance(one)),
    );
    const [first, second, third] = await Promise.allSettled(accepting);
    expect([first, third]).toMatchObject([
      { value: { outcome: 'accepted' } },
      { value: { outcome: 'accepted' } },
    ]);
    expect(second).toMatchObject({ reason: { name: 'StoreRefused' } });
    expect(await store.tasks([task.id, wrong.id, other.id])).toHaveLength(2);
  });

  it('what is written is read at once by every connection', async () => {
    const { store } = await opened();
    for (let n = 0; n < 50; n++) {
      const task = aTask();
      await store.accept(anAcceptance(task));
      expect(await store.task(task.id)).toStrictEqual(task);
      expect(await store.listTasks({ projectId: task.projectId, limit: 1 })).toStrictEqual([task]);
    }
  });
});

describe('a thread that dies', () => {
  const died = (thread: string) => [
    expect.objectContaining({ event: 'store.thread_died', thread, err: expect.any(Error) }),
    expect.any(String),
  ];

  it('while it writes fails what it was writing, and is started again', async () => {
    const { store, log, beside, workers } = await opened();
    beside.exec('begin immediate');
    const acceptance = anAcceptance(aTask());
    const accepting = store.accept(acceptance);
    const refused = expect(accepting).rejects.toMatchObject({
      code: 'store_unavailable',
      status: 503,
      message: expect.stringContaining('not known'),
    });
    await turn();
    await workers[0]?.terminate();
    await refused;
    beside.exec('commit');
    expect(log.error.mock.calls).toEqual([died('writer')]);
    // The same task, because nobody knows whether it was written.
    await expect
      .poll(() => store.accept(acceptance).catch(({ code }) => code))
      .toEqual({ outcome: 'accepted' });
    expect(await store.accept(acceptance)).toEqual({ outcome: 'accepted' });
    await store.check();
    expect([workers.length, log.error.mock.calls.length]).toEqual([2, 1]);
  });

  it('is missed by the check of the store until it is started again', async () => {
    const { store, workers } = await opened();
    await workers[0]?.terminate();
    await expect(store.check()).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
    await expect
      .poll(() =>
        store.check().then(
          () => 'works',
          ({ code }) => code,
        ),
      )
      .toBe('works');
  });

  it('while it reads fails what it was reading, and nothing else', async () => {
    const { store, log, workers } = await opened();
    expect(await store.listKeys()).toEqual([]);
    await workers[1]?.terminate();
    await expect(store.listKeys()).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
    await store.check();
    expect(log.error.mock.calls).toEqual([died('reader')]);
    await expect.poll(() => store.listKeys().catch(({ code }) => code)).toEqual([]);
  });

  it('or is not started does not keep the store from being closed', async () => {
    const { store, workers } = await opened();
    await workers[0]?.terminate();
    await store.close();
    await expect(store.check()).rejects.toMatchObject({ code: 'store_unavailable' });
  });
});

it('a thread has nothing to do with errors but to pass them on with their class and code', async () => {
  const { store, beside } = await opened();
  beside.exec('alter table keys rename to elsewhere');
  const failure = await store.listKeys().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Database.SqliteError);
  expect(failure).toMatchObject({
    code: 'SQLITE_ERROR',
    message: expect.stringContaining('no such table: keys'),
  });
});
