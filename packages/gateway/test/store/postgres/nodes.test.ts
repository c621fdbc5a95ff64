import type { Client } from 'pg';
import { describe, expect, it } from 'vitest';
import { LOCK_CLASS, nodeName } from '../../../src/store/postgres/nodes.ts';
import { SQL } from '../../../src/store/postgres/statements.ts';
import type { Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aKey, aMediaRow, anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';
import { eventually } from '../../support/eventually.ts';
import { connect, freshDatabase } from '../../support/servers/database.ts';
import { accepted, INTENT, intended, moved } from '../contract/steps.ts';
import { openStore } from './openStore.ts';

const AUDIT = { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: 'key' };

/** Two nodes on one database. */
async function openTwo(): Promise<{ url: string; one: Store; other: Store }> {
  const url = await freshDatabase();
  const [one, other] = await Promise.all([
    openStore(url, { cluster: { node: nodeName(1) } }),
    openStore(url, { cluster: { node: nodeName(2) } }),
  ]);
  return { url, one, other };
}

/** Many tasks at once. */
const many = (store: Store, count: number, changes: Partial<Task> = {}): Promise<Task[]> =>
  Promise.all(Array.from({ length: count }, () => accepted(store, changes)));

/** A living node: its lock is held until the connection ends. */
async function live(url: string, number: number): Promise<Client> {
  const client = await connect(url);
  await client.query('select pg_advisory_lock($1, $2)', [LOCK_CLASS, number]);
  return client;
}

describe('two nodes', () => {
  it('accept one of many simultaneous submissions with one key', async () => {
    const { one, other } = await openTwo();
    for (let round = 0; round < 10; round++) {
      const idempotency = { key: `k${round}`, bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          (at % 2 === 0 ? one : other).accept(anAcceptance(aTask(), { idempotency })),
        ),
      );
      expect(outcomes.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
      const replayed = outcomes.flatMap((made) => (made.outcome === 'replayed' ? [made.task.id] : []));
      expect(replayed).toHaveLength(19);
      expect(new Set(replayed).size).toBe(1);
    }
    expect(await one.listTasks({ projectId: 'project', limit: 100 })).toHaveLength(10);
  });

  it('never deadlock, whatever the order of their submissions', async () => {
    const { url, one, other } = await openTwo();
    const keys = Array.from({ length: 100 }, (_, at) => `k${at}`);
    const submitAll = (store: Store, order: readonly string[]) =>
      Promise.all(
        order.map((key) => {
          const idempotency = { key, bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };
          return store.accept(anAcceptance(aTask(), { idempotency }));
        }),
      );
    for (let round = 0; round < 10; round++) {
      const mine = keys.map((key) => `${key} of ${round}`);
      const outcomes = await Promise.all([submitAll(one, mine), submitAll(other, mine.toReversed())]);
      expect(outcomes.flat().filter(({ outcome }) => outcome === 'accepted')).toHaveLength(100);
    }
    const client = await connect(url);
    const deadlocks = 'select deadlocks::int from pg_stat_database where datname = current_database()';
    expect((await client.query(deadlocks)).rows).toEqual([{ deadlocks: 0 }]);
  });

  it('renew an expired key once', async () => {
    const { one, other } = await openTwo();
    const idempotency = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 10 };
    await accepted(one, {}, { idempotency });
    const renewed = { ...idempotency, expiresAt: START_OF_TIME + 1000 };
    const outcomes = await Promise.all(
      [one, other, one, other].map((store) =>
        store.accept(anAcceptance(aTask({ createdAt: START_OF_TIME + 10 }), { idempotency: renewed })),
      ),
    );
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual([
      'accepted',
      'replayed',
      'replayed',
      'replayed',
    ]);
  });

  it('write a move from one version once', async () => {
    const { one, other } = await openTwo();
    const tasks = await many(one, 200);
    const race = (store: Store) =>
      Promise.all(tasks.map((task) => store.commit(moved(task, { ...INTENT, idempotencyKey: newId() }))));
    const [mine, yours] = await Promise.all([race(one), race(other)]);
    for (const [at] of tasks.entries()) expect([mine[at], yours[at]].filter(Boolean)).toHaveLength(1);
    const attempts = await one.tasks(tasks.map(({ id }) => id));
    expect(attempts.filter(({ attempt, version }) => attempt?.number === 1 && version === 2)).toHaveLength(
      200,
    );
  });

  it('give a job that both have found to one attempt', async () => {
    const { one, other } = await openTwo();
    for (let round = 0; round < 20; round++) {
      const claims = await Promise.all(
        [one, other, one, other].map(async (store) => {
          const task = await intended(store);
          const found = { type: 'submit_confirmed', upstreamId: `job ${round}`, working: false } as const;
          return store.claim(moved(task, found));
        }),
      );
      expect(claims.sort()).toEqual(['claimed', 'taken', 'taken', 'taken']);
    }
  });

  it('share one secret', async () => {
    const { one, other } = await openTwo();
    const values = await Promise.all(
      [one, other].flatMap((store) => [store.secret('links', newId), store.secret('links', newId)]),
    );
    expect(new Set(values).size).toBe(1);
  });

  it('remove old keys in parallel, each key once', async () => {
    const { one, other } = await openTwo();
    const idempotency = () => ({ key: newId(), bodyHash: 'h', expiresAt: START_OF_TIME + 1 });
    await Promise.all(Array.from({ length: 100 }, () => accepted(one, {}, { idempotency: idempotency() })));
    const removed = await Promise.all(
      [one, other, one, other].map((store) => store.removeExpiredIdempotency(START_OF_TIME + 1, 30)),
    );
    const rest = await one.removeExpiredIdempotency(START_OF_TIME + 1, 100);
    expect(removed.reduce((sum, count) => sum + count, rest)).toBe(100);
  });
});

describe('adopting the tasks of a dead node', () => {
  it('gives each task to one of two nodes that adopt at once', async () => {
    const { url, one, other } = await openTwo();
    await live(url, 1);
    await live(url, 2);
    const left = await many(one, 2000, { owner: nodeName(3) });
    await many(one, 20, { owner: nodeName(3), phase: 'succeeded' });

    const adopted: Task[] = [];
    const until = performance.now() + 60_000;
    const adoptAll = async (store: Store, node: string) => {
      while (adopted.length < left.length && performance.now() < until) {
        adopted.push(...(await store.adopt(node, 100)));
      }
    };
    await Promise.all([adoptAll(one, nodeName(1)), adoptAll(other, nodeName(2))]);
    expect(adopted.map(({ id }) => id).sort()).toEqual(left.map(({ id }) => id).sort());
    expect(new Set(adopted.map(({ version }) => version))).toEqual(new Set([2]));
    const loads = await one.loads();
    expect([...loads.keys()].sort()).toEqual([nodeName(1), nodeName(2)]);
    expect([...loads.values()].reduce((sum, load) => sum + load)).toBe(2000);
  });

  it('skips a living node until its session ends', async () => {
    const { url, one } = await openTwo();
    const session = await live(url, 7);
    const theirs = await many(one, 5, { owner: nodeName(7) });
    const orphan = await accepted(one, { owner: nodeName(8) });
    const import_ = await accepted(one, { owner: 'made-without-a-session' });
    expect((await one.adopt(nodeName(1), 10)).map(({ id }) => id)).toEqual([orphan.id, import_.id]);
    expect(await one.adopt(nodeName(1), 10)).toEqual([]);
    await session.end();
    // The server ends the session a moment after the request.
    await eventually(async () =>
      expect((await one.adopt(nodeName(1), 10)).map(({ id }) => id)).toEqual(theirs.map(({ id }) => id)),
    );
  });

  it('does not mistake a lock of another database, class or kind for a living node', async () => {
    const { url, one } = await openTwo();
    const elsewhere = await connect(await freshDatabase());
    await elsewhere.query('select pg_advisory_lock($1, 7)', [LOCK_CLASS]);
    const here = await connect(url);
    await here.query('select pg_advisory_lock($1, 7)', [LOCK_CLASS + 1]);
    await here.query('select pg_advisory_lock(($1::bigint << 32) | 7)', [LOCK_CLASS]);
    await accepted(one, { owner: nodeName(7) });
    expect(await one.adopt(nodeName(1), 10)).toHaveLength(1);
  });

  it('reads only the index of unfinished tasks, whatever other tasks there are', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    await accepted(store, { owner: nodeName(3) });
    const client = await live(url, 4);
    // 20,000 finished tasks and 10,000 of a living node, beside 500 of a dead one.
    await client.query(`
      insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
      select 'video_' || lpad(to_hex(n), 32, '0'), project_id, key_id, model, request,
        case when n <= 20000 then 'succeeded' else phase end, version,
        case when n <= 30000 then 'node-4' else 'node-3' end, attempt, created_at, deadline_at, price
      from tasks, generate_series(1, 30500) n`);
    await client.query('analyze tasks');
    const { rows } = await client.query(
      `explain (analyze, costs off) ${SQL.adopt.text.replace('$1', '$1::text')}`,
      [nodeName(5), 200],
    );
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/LockRows[\s\S]*Index Scan using tasks_by_owner on tasks t_/);
    // For each part of the plan that reads tasks: it reads no hundreds of rows that it then discards.
    const readsTasks = plan.split('->').filter((part) => /Scan .*on tasks/.test(part));
    expect(readsTasks.length).toBeGreaterThan(2);
    for (const part of readsTasks) expect(part).not.toMatch(/Seq Scan|Rows Removed by Filter: \d{3}/);
  });
});

describe('a row that another transaction has locked', () => {
  /** A store that waits no longer than a moment, and a transaction that holds the rows. */
  async function locked(prepare: (store: Store) => Promise<string>) {
    const url = await freshDatabase();
    const store = await openStore(url, { answerTimeoutMs: 5000 });
    const rows = await prepare(store);
    const client = await connect(url);
    await client.query('begin');
    await client.query(`select 1 from ${rows} for update`);
    return { store, client };
  }

  it('is skipped by a transfer', async () => {
    const tasks: Task[] = [];
    const { store, client } = await locked(async (opened) => {
      tasks.push(...(await many(opened, 3, { owner: nodeName(1) })));
      return `tasks where id = '${tasks[1]?.id}'`;
    });
    const ids = tasks.map(({ id }) => id);
    expect([...(await store.transfer(nodeName(1), nodeName(2), tasks))].sort()).toEqual(
      [ids[0], ids[2]].sort(),
    );
    await client.query('commit');
    expect((await store.task(ids[1] ?? ''))?.owner).toBe(nodeName(1));
  });

  it('is skipped by an adoption', async () => {
    let held = '';
    const { store } = await locked(async (opened) => {
      const [first] = await many(opened, 3, { owner: nodeName(9) });
      held = first?.id ?? '';
      return `tasks where id = '${held}'`;
    });
    const adopted = (await store.adopt(nodeName(1), 10)).map(({ id }) => id);
    expect([adopted.length, adopted.includes(held)]).toEqual([2, false]);
  });

  it('is skipped by the removal of media', async () => {
    const media = [aMediaRow(), aMediaRow()];
    const ids = media.map(({ id }) => id);
    const { store, client } = await locked(async (opened) => {
      await opened.putMedia(media);
      return `media where id = '${ids[0]}'`;
    });
    await store.removeMedia(ids);
    await client.query('commit');
    expect([...(await store.mediaKeys(ids)).keys()]).toEqual([ids[0]]);
  });

  it('is skipped by the removal of old keys', async () => {
    const { store, client } = await locked(async (opened) => {
      for (const key of ['a', 'b']) {
        await accepted(opened, {}, { idempotency: { key, bodyHash: 'h', expiresAt: START_OF_TIME + 1 } });
      }
      return `idempotency where key = 'a'`;
    });
    expect(await store.removeExpiredIdempotency(START_OF_TIME + 1, 10)).toBe(1);
    await client.query('commit');
    expect(await store.removeExpiredIdempotency(START_OF_TIME + 1, 10)).toBe(1);
  });
});

describe('a notification of the store', () => {
  /** The messages on the channel, in order. */
  async function hear(url: string): Promise<unknown[]> {
    const heard: unknown[] = [];
    const client = await connect(url);
    client.on('notification', ({ payload = '' }) => heard.push(JSON.parse(payload)));
    await client.query('listen onetake');
    return heard;
  }

  it('has every move of a batch, with its version, in one message that fits', async () => {
    const url = await freshDatabase();
    const cluster = { node: nodeName(1) };
    const store = await openStore(url, { cluster });
    const tasks = await many(store, 400, { version: 999_998 });
    const heard = await hear(url);
    cluster.node = nodeName(2_000_000_000);
    const lost = { ...tasks[0], owner: 'another' } as Task;
    await Promise.all([
      store.commit(moved(lost, INTENT)),
      ...tasks.map((task) => store.commit(moved(task, { ...INTENT, idempotencyKey: newId() }))),
    ]);
    await eventually(() => expect(heard.flatMap(tasksOf)).toHaveLength(400));
    const told = new Map(heard.flatMap(tasksOf) as [string, number][]);
    expect(told).toEqual(new Map(tasks.map(({ id }) => [id, 999_999])));
    for (const message of heard) {
      expect(message).toMatchObject({ from: nodeName(2_000_000_000), kind: 'moved' });
      expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThanOrEqual(7900);
    }
    expect(heard.length).toBeLessThanOrEqual(4);
  });

  it('reports a claim, transferred tasks, and changed keys', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const task = await intended(store);
    const given = await many(store, 200, { owner: nodeName(1) });
    const heard = await hear(url);
    await store.claim(moved(task, { type: 'submit_confirmed', upstreamId: 'job', working: false }));
    await eventually(() => expect(heard).toHaveLength(1));
    expect(heard.splice(0)).toEqual([{ from: nodeName(1), kind: 'moved', tasks: [[task.id, 3]] }]);

    await store.transfer(nodeName(1), nodeName(2), given);
    await eventually(() => expect(heard).toHaveLength(2));
    const transfers = heard.splice(0);
    for (const transfer of transfers)
      expect(transfer).toMatchObject({ from: nodeName(1), kind: 'given', to: nodeName(2) });
    expect(transfers.flatMap(tasksOf).sort()).toEqual(given.map(({ id }) => id).sort());

    const key = aKey();
    await store.putKey(key, AUDIT);
    await store.revokeKey(key.id, 7, AUDIT);
    await eventually(() => expect(heard).toHaveLength(2));
    expect(heard.splice(0)).toEqual(Array(2).fill({ from: nodeName(1), kind: 'keys' }));
  });

  it('reports a restored key and a retried account', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const client = await live(url, 1);
    const key = aKey({ revokedAt: 3 });
    await store.putKey(key, AUDIT);
    await client.query(
      `insert into account_state (account_id, failures, blocked_until, revision, updated_at) values ('one', 2, 9, 0, 0)`,
    );
    const heard = await hear(url);
    await store.restoreKey(key.id, AUDIT);
    await store.restoreKey(key.id, AUDIT);
    await store.retryAccount('another', AUDIT);
    await store.retryAccount('one', AUDIT);
    await eventually(() => expect(heard).toHaveLength(2));
    expect(heard).toEqual([
      { from: nodeName(1), kind: 'keys' },
      { from: nodeName(1), kind: 'retry', account: 'one' },
    ]);
  });

  it('is not sent if nothing was written', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const task = await accepted(store);
    const key = aKey();
    await store.putKey(key, AUDIT);
    await store.revokeKey(key.id, 7, AUDIT);
    const heard = await hear(url);
    await store.commit(moved({ ...task, version: 9 }, INTENT));
    await store.transfer('nobody', nodeName(2), [task]);
    await store.revokeKey(key.id, 8, AUDIT);
    // A later message arrives after all earlier ones.
    await store.commit(moved(task, INTENT));
    await eventually(() => expect(heard).toHaveLength(1));
    expect(heard).toMatchObject([{ kind: 'moved', tasks: [[task.id, 2]] }]);
  });
});

describe('the name of a node', () => {
  it('holds the number of its lock', () => {
    expect(nodeName(12)).toBe('node-12');
  });
});

const tasksOf = (message: unknown): unknown[] => (message as { tasks: unknown[] }).tasks;
