import { describe, expect, it, vi } from 'vitest';
import { LOCK_CLASS, nodeName } from '../../../src/store/postgres/nodes.ts';
import { openPostgresStore } from '../../../src/store/postgres/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { aMediaRow, anAcceptance, aRequest, aTask } from '../../support/builders.ts';
import { eventually } from '../../support/eventually.ts';
import { connect, freshDatabase, ownPostgres, switchTo } from '../../support/servers/database.ts';
import { describeAccounts } from '../contract/accounts.ts';
import { describeBadRows } from '../contract/badRows.ts';
import { describeRetention } from '../contract/retention.ts';
import { accepted, INTENT, intended, moved } from '../contract/steps.ts';
import { describeStoreContract } from '../contract/store.ts';
import { openStore } from './openStore.ts';

describeStoreContract('PostgreSQL', async () => openStore(await freshDatabase()));

// As behind a pooler in transaction mode: a connection keeps nothing of its previous user.
describeStoreContract('PostgreSQL without sessions', async () =>
  openStore(await freshDatabase(), { namedStatements: false, usesPerConnection: 1 }),
);

describeAccounts('PostgreSQL', async () => {
  const url = await freshDatabase();
  const store = await openStore(url);
  const client = await connect(url);
  // It lives, because its lock is held.
  await client.query('select pg_advisory_lock($1, 1)', [LOCK_CLASS]);
  return { store, node: nodeName(1), read: async (sql) => (await client.query<object>(sql)).rows };
});

describeRetention('PostgreSQL', async () => {
  const url = await freshDatabase();
  const store = await openStore(url);
  const client = await connect(url);
  return {
    store,
    run: async (sql) => void (await client.query(sql)),
    read: async (sql) => (await client.query<object>(sql)).rows,
  };
});

describeBadRows('PostgreSQL', async (log) => {
  const url = await freshDatabase();
  const client = await connect(url);
  return { store: await openStore(url, { log }), run: async (sql) => void (await client.query(sql)) };
});

describe('a batch', () => {
  it('of hundreds of writes takes few statements', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const tasks = await Promise.all(Array.from({ length: 300 }, () => accepted(store)));
    const client = await connect(url);
    const count = 'select count(distinct xmin::text)::int as transactions from tasks';
    expect((await client.query(count)).rows).toEqual([{ transactions: 2 }]);
    await Promise.all(tasks.map((task) => store.commit(moved(task, { ...INTENT, idempotencyKey: newId() }))));
    expect((await client.query(count)).rows).toEqual([{ transactions: 2 }]);
  });

  it('with one bad row fails only for that row', async () => {
    const store = await openStore(await freshDatabase());
    await intended(store, { idempotencyKey: 'used' });
    const tasks = await Promise.all(Array.from({ length: 100 }, () => accepted(store)));
    const outcomes = await Promise.allSettled(
      tasks.map((task, at) =>
        store.commit(moved(task, { ...INTENT, idempotencyKey: at === 41 ? 'used' : newId() })),
      ),
    );
    const failed = outcomes.flatMap(({ status }, at) => (status === 'rejected' ? [at] : []));
    expect(failed).toEqual([41]);
    const phases = (await store.tasks(tasks.map(({ id }) => id))).map(({ phase }) => phase);
    expect(phases.filter((phase) => phase === 'submitting')).toHaveLength(99);
  });

  it('keeps the order of moves of one task that were not awaited', async () => {
    const store = await openStore(await freshDatabase());
    const first = moved(await accepted(store), INTENT);
    const second = moved(first.task, { type: 'submit_confirmed', upstreamId: 'job', working: false });
    const third = moved(second.task, { type: 'work_started' });
    const outcomes = await Promise.all([first, second, third].map((move) => store.commit(move)));
    expect(outcomes).toEqual([true, true, true]);
    expect(await store.task(first.task.id)).toStrictEqual(third.task);
  });

  it('stores any message of an upstream', async () => {
    const store = await openStore(await freshDatabase());
    const task = await intended(store);
    const detail = 'NUL \0, half \ud83d of a pair, \\u0000 written out';
    const refused = moved(task, { type: 'submit_refused', detail });
    expect(await store.commit(refused)).toBe(true);
    expect((await store.task(task.id))?.attempt?.detail).toBe(
      'NUL \ufffd, half \ufffd of a pair, \\u0000 written out',
    );
  });
});

describe('a node whose clock is ten days ahead', () => {
  it('finds only what is due by the clock of the database', async () => {
    const store = await openStore(await freshDatabase());
    const [now, day] = [Date.now(), 86_400_000];
    const due = aMediaRow({ expiresAt: now - day });
    const left = aMediaRow({ state: 'pending', createdAt: now - 2 * day });
    await store.putMedia([
      due,
      left,
      aMediaRow({ expiresAt: now + day }),
      aMediaRow({ state: 'pending', createdAt: now - 1000 }),
    ]);
    const ahead = now + 10 * day;
    const found = await store.sweepable(ahead, ahead - day, 10);
    expect(found.map(({ id }) => id).sort()).toEqual([due.id, left.id].sort());
    await accepted(store, {}, { idempotency: { key: 'k', bodyHash: 'h', expiresAt: now + day } });
    expect(await store.removeExpiredIdempotency(ahead, 10)).toBe(0);
  });
});

describe('a list by metadata', () => {
  it('is not stopped by a request that PostgreSQL cannot read as JSON', async () => {
    const store = await openStore(await freshDatabase());
    const metadata = { order: '7' };
    const prompt = 'a\0\0b \\u0000 \\\0 \ud800';
    const task = await accepted(store, { request: aRequest({ prompt, metadata }) });
    expect(await store.listTasks({ projectId: task.projectId, limit: 10, metadata })).toEqual([task]);
  });
});

describe('an unavailable database', () => {
  it('is named at the start, without its password', async () => {
    const url = 'postgres://onetake:hush-hush@127.0.0.1:1/videos';
    const opening = openPostgresStore({ url, cluster: { node: 'x' }, poolSize: 1, namedStatements: true });
    const error = await opening.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'database_unusable',
      message: expect.stringMatching(/videos at 127\.0\.0\.1:1 .*ONETAKE_DATABASE_URL.*ECONNREFUSED/),
    });
    expect(String(error)).not.toContain('hush');
  });

  it('fails no read: a read on a connection that the server has closed is repeated on another', async () => {
    const url = await freshDatabase();
    const log = { warn: vi.fn(), error: vi.fn() };
    const store = await openStore(url, { poolSize: 1, log });
    const task = await accepted(store);
    const client = await connect(url);
    const others =
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()';
    await client.query(others);
    expect(await store.task(task.id)).toStrictEqual(task);
    await client.query(others);
    // The idle connection gets the error; no caller waits, so nothing may happen.
    await eventually(() => expect(log.warn).toHaveBeenCalled());
    for (const [facts] of log.warn.mock.calls)
      expect(facts).toEqual({ event: 'store.connection_lost', reason: expect.any(String) });
    await expect(store.check()).resolves.toBeUndefined();
  });

  it('that is only read-only is reported as such', async () => {
    const url = await freshDatabase();
    const store = await openStore(url, { usesPerConnection: 1 });
    const client = await connect(url);
    await client.query(
      `alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`,
    );
    await expect(store.check()).rejects.toMatchObject({
      code: 'database_read_only',
      message: expect.stringContaining('primary'),
    });
    const task = aTask();
    await expect(store.commit(moved(task, INTENT))).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  it('that stops responding blocks nobody for ever', async () => {
    const database = await switchTo(await freshDatabase());
    const store = await openStore(database.url, { poolSize: 1, answerTimeoutMs: 200 });
    const task = await accepted(store);
    await database.set('black_hole');
    await expect(store.commit(moved(task, INTENT))).rejects.toMatchObject({
      code: 'store_unavailable',
      status: 503,
      details: { retryAfterSeconds: 2 },
    });
    await database.set('open');
    expect((await store.task(task.id))?.id).toBe(task.id);
  });

  it('is no longer tried when the store is closed', async () => {
    const database = await switchTo(await freshDatabase());
    const store = await openPostgresStore({
      url: database.url,
      cluster: { node: 'node-1' },
      poolSize: 1,
      namedStatements: true,
    });
    await database.close();
    const accepting = store.accept(anAcceptance(aTask())).catch((error: unknown) => error);
    await store.close();
    expect(await accepting).toMatchObject({ code: 'store_unavailable' });
  });

  it('that returns gets all tasks that were submitted in the meantime, each once', async () => {
    const server = await ownPostgres({ durable: true });
    const store = await openStore(server.url);
    const tasks: string[] = [];
    const outcomes: Promise<unknown>[] = [];
    let submitting = true;
    const traffic = (async () => {
      while (submitting) {
        const task = aTask();
        tasks.push(task.id);
        const idempotency = { key: task.id, bodyHash: 'h', expiresAt: task.createdAt + 1000 };
        outcomes.push(store.accept(anAcceptance(task, tasks.length % 2 === 0 ? { idempotency } : {})));
        if (tasks.length % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (tasks.length > 5000) await Promise.allSettled(outcomes);
      }
    })();
    const acknowledged = async () => {
      await Promise.race(outcomes.slice(-1));
    };
    for (const how of ['crash', 'fast'] as const) {
      await acknowledged();
      await server.stop(how);
      await server.start();
    }
    await acknowledged();
    submitting = false;
    await traffic;
    const settled = await Promise.all(outcomes);
    expect(settled).toEqual(settled.map(() => ({ outcome: 'accepted' })));

    const client = await connect(server.url);
    const { rows } = await client.query(
      'select count(*)::int as tasks, (select count(*)::int from ledger) as holds from tasks',
    );
    expect(rows).toEqual([{ tasks: tasks.length, holds: tasks.length }]);
  });
});
