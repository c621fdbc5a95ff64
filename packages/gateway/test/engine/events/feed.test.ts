import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Client } from 'pg';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Change, createFeed, type Feed } from '../../../src/engine/events/feed.ts';
import { connectRemoteEvents } from '../../../src/engine/events/remoteEvents.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aTask } from '../../support/builders.ts';
import { clusterDatabase, DEADLINE_MS, joinNode, type Node } from '../../support/nodes/clusters.ts';
import { connect } from '../../support/servers/database.ts';

const log = pino({ level: process.env.LOG ?? 'silent' });

/** A store whose answers the test gives. */
function scriptedReader() {
  const asked: string[][] = [];
  const answers: { resolve: (tasks: readonly Task[]) => void; reject: (error: Error) => void }[] = [];
  return {
    asked,
    reader: (ids: readonly string[]) => {
      asked.push([...ids]);
      return new Promise<readonly Task[]>((resolve, reject) => answers.push({ resolve, reject }));
    },
    async answer(...tasks: Task[]): Promise<void> {
      answers.shift()?.resolve(tasks);
      await settled();
    },
    async fail(): Promise<void> {
      answers.shift()?.reject(new Error('the store is down'));
      await settled();
    },
  };
}

/** More turns of the event loop than the feed ever waits between two steps. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 6; turns++) await turn();
}

const versions = (changes: readonly Change[]): number[] => changes.map(({ task }) => task.version);

describe('a feed', () => {
  it('reports what this node does to those who watch the task, and to those who watch everything', () => {
    const feed = createFeed();
    const [task, other] = [aTask(), aTask()];
    const all: Change[] = [];
    const ofTask: Change[] = [];
    feed.onChange((change) => all.push(change));
    const stop = feed.onTask(task.id, (change) => ofTask.push(change));
    feed.publish({ task, transition: true });
    feed.publish({ task: other, transition: true });
    feed.publish({ task, transition: false });
    expect([all.length, ofTask.length]).toEqual([3, 2]);
    stop();
    feed.publish({ task, transition: true });
    expect([all.length, ofTask.length]).toEqual([4, 2]);
  });

  it('reports what other nodes did only to those who watch the task, and to caches before anything is read', async () => {
    const { reader, asked, answer } = scriptedReader();
    const feed = createFeed({ reader, log });
    const task = aTask({ version: 3 });
    const all: Change[] = [];
    const ofTask: Change[] = [];
    const stale: (string | undefined)[] = [];
    feed.onChange((change) => all.push(change));
    feed.onTask(task.id, (change) => ofTask.push(change));
    feed.onInvalidate((id) => stale.push(id));
    feed.changedRemotely([task.id, 'video_nobody_watches']);
    expect(stale).toEqual([task.id, 'video_nobody_watches']);
    expect(asked).toEqual([]);
    await settled();
    expect(asked).toEqual([[task.id]]);
    await answer(task);
    expect(ofTask).toEqual([{ task, transition: true }]);
    expect(all).toEqual([]);
    feed.invalidate('video_of_ours');
    expect(stale.at(-1)).toBe('video_of_ours');
  });

  it('reads a task once at a time, and again if it changed in the meantime', async () => {
    const { reader, asked, answer } = scriptedReader();
    const feed = createFeed({ reader, log });
    const tasks = [aTask({ version: 2 }), aTask({ version: 2 })];
    const [one, other] = tasks.map(({ id }) => id);
    if (one === undefined || other === undefined) throw new Error('two tasks');
    const seen: Change[] = [];
    for (const id of [one, other]) feed.onTask(id, (change) => seen.push(change));
    feed.changedRemotely([one]);
    feed.changedRemotely([one]);
    feed.changedRemotely([other]);
    await settled();
    expect(asked).toEqual([[one, other]]);
    for (let times = 0; times < 3; times++) feed.changedRemotely([one]);
    await settled();
    expect(asked).toHaveLength(1);
    await answer(...tasks);
    expect(asked).toEqual([[one, other], [one]]);
    await answer(aTask({ id: one, version: 3 }));
    await settled();
    expect(asked).toHaveLength(2);
    expect(versions(seen)).toEqual([2, 2, 3]);
  });

  it('never reports an older version, and never reports a version twice because of other nodes', async () => {
    const { reader, answer } = scriptedReader();
    const feed = createFeed({ reader, log });
    const task = aTask({ version: 2 });
    const seen: Change[] = [];
    feed.onTask(task.id, (change) => seen.push(change));
    feed.changedRemotely([task.id]);
    await settled();
    feed.publish({ task: { ...task, version: 5 }, transition: true });
    await answer({ ...task, version: 4 });
    feed.changedRemotely([task.id]);
    await settled();
    await answer({ ...task, version: 5 });
    feed.publish({ task: { ...task, version: 4 }, transition: false });
    expect(versions(seen)).toEqual([5]);
    // Progress belongs to a version.
    feed.publish({ task: { ...task, version: 5 }, transition: false });
    expect(versions(seen)).toEqual([5, 5]);
  });

  it('retries a failed read for as long as somebody waits for the task', async () => {
    const { reader, asked, fail, answer } = scriptedReader();
    const feed = createFeed({ reader, log });
    const [task, left] = [aTask({ version: 2 }), aTask({ version: 2 })];
    const heard = new Promise<Change>((resolve) => {
      feed.onTask(task.id, resolve);
    });
    const leave = feed.onTask(left.id, () => undefined);
    feed.invalidateAll();
    await settled();
    await fail();
    leave();
    await expect.poll(() => asked.length, { timeout: DEADLINE_MS }).toBe(2);
    await answer(task);
    expect((await heard).task).toEqual(task);
    expect(asked).toEqual([[task.id, left.id], [task.id]]);
  });

  it('continues after a listener that throws', async () => {
    const { reader, answer } = scriptedReader();
    const feed = createFeed({ reader, log });
    const [bad, good] = [aTask(), aTask()];
    const seen: Change[] = [];
    feed.onTask(bad.id, () => {
      throw new Error('a listener that fails');
    });
    feed.onTask(good.id, (change) => seen.push(change));
    feed.changedRemotely([bad.id, good.id]);
    await settled();
    await answer(bad, good);
    expect(seen).toHaveLength(1);
    feed.changedRemotely([good.id]);
    await settled();
    await answer({ ...good, version: 2 });
    expect(versions(seen)).toEqual([1, 2]);
  });

  it('reads all awaited tasks in parts of limited size', async () => {
    const { reader, asked, answer } = scriptedReader();
    const feed = createFeed({ reader, log });
    for (let index = 0; index < 1200; index++) feed.onTask(`video_${index}`, () => undefined);
    feed.invalidateAll();
    await settled();
    await answer();
    await answer();
    await answer();
    expect(asked.map((batch) => batch.length)).toEqual([500, 500, 200]);
    expect(new Set(asked.flat()).size).toBe(1200);
  });
});

interface FeedNode {
  readonly node: Node;
  readonly feed: Feed;
  readonly db: Client;
  readonly keysForgotten: () => number;
  /** Moves a task, and notifies in the same transaction, as the store does. */
  move(task: Task): Promise<void>;
  /** Waits as a long-poll does. Resolves with the version that was reported. */
  watch(id: string): { versions: number[]; reaches(version: number): Promise<void> };
}

/** Nodes over one table of tasks in one database. */
async function feedNodes(count: number): Promise<FeedNode[]> {
  const { url, db: first } = await clusterDatabase();
  await first.query('create table tasks (id text primary key, task json not null)');
  return Promise.all(Array.from({ length: count }, () => feedNode(url)));
}

async function feedNode(url: string): Promise<FeedNode> {
  const node = await joinNode(url);
  const db = await connect(url);
  const feed = createFeed({
    log,
    async reader(ids) {
      const { rows } = await db.query<{ task: Task }>('select task from tasks where id = any($1)', [ids]);
      return rows.map(({ task }) => task);
    },
  });
  let forgotten = 0;
  onTestFinished(connectRemoteEvents(node, feed, { forgetKeys: () => forgotten++ }));
  return {
    node,
    feed,
    db,
    keysForgotten: () => forgotten,
    async move(task) {
      const moved = { from: node.node, kind: 'moved', tasks: [[task.id, task.version]] };
      await db.query(
        `with told as (select pg_notify('onetake', $3))
         insert into tasks select $1, $2::json from told on conflict (id) do update set task = excluded.task`,
        [task.id, JSON.stringify(task), JSON.stringify(moved)],
      );
    },
    watch(id) {
      const heard: number[] = [];
      const changes = new EventTarget();
      const stop = feed.onTask(id, ({ task }) => {
        heard.push(task.version);
        changes.dispatchEvent(new Event('change'));
      });
      onTestFinished(stop);
      return {
        versions: heard,
        async reaches(version) {
          const signal = AbortSignal.timeout(DEADLINE_MS);
          while ((heard.at(-1) ?? 0) < version) await once(changes, 'change', { signal });
        },
      };
    },
  };
}

describe('nodes on one database', () => {
  it('wake a client that waits at one node for a task that another node moves', async () => {
    const [one, other] = await feedNodes(2);
    if (!one || !other) throw new Error('two nodes');
    const task = aTask();
    await one.move(task);
    const waiting = other.watch(task.id);
    for (let version = 2; version <= 20; version++) {
      await one.move({ ...task, version });
      await waiting.reaches(version);
    }
    expect(waiting.versions).toEqual([...waiting.versions].sort((a, b) => a - b));
  });

  it('find what happened while a lease was lost', async () => {
    const [one, other] = await feedNodes(2);
    if (!one || !other) throw new Error('two nodes');
    const task = aTask();
    await one.move(task);
    const waiting = other.watch(task.id);
    const stale: (string | undefined)[] = [];
    other.feed.onInvalidate((id) => stale.push(id));
    // The moment after the lease was lost and before the node has rejoined: nobody listens.
    const moved = new Promise<void>((resolve, reject) => {
      other.node.onLease((event) => {
        if (event === 'lost') one.move({ ...task, version: 2 }).then(resolve, reject);
      });
    });
    await one.db.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()`,
      [`onetake ${other.node.node}`],
    );
    await moved;
    await waiting.reaches(2);
    await other.node.happened('joined');
    expect(stale.filter((id) => id === undefined)).toHaveLength(2);
    expect(other.keysForgotten()).toBe(2);
    expect(one.keysForgotten()).toBe(0);
  });

  it('invalidate keys that another node changed', async () => {
    const [one, other] = await feedNodes(2);
    if (!one || !other) throw new Error('two nodes');
    one.node.broadcast({ kind: 'keys' });
    await other.node.hears(({ kind }) => kind === 'keys');
    expect([one.keysForgotten(), other.keysForgotten()]).toEqual([0, 1]);
  });
});
