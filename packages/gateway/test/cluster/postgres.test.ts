import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LEASE_TIMINGS, type LeaseTimings } from '../../src/cluster/postgres/timings.ts';
import { LOCK_CLASS, NOT_COUNTING_NODES } from '../../src/store/postgres/nodes.ts';
import { eventually } from '../support/eventually.ts';
import { clusterDatabase, DEADLINE_MS, joinNode, living, lockGoes } from '../support/nodes/clusters.ts';
import { connect, ownPostgres, switchTo } from '../support/servers/database.ts';
import { createPooler } from '../support/servers/pooler.ts';

const CHILD = fileURLToPath(new URL('../support/nodes/clusterNode.ts', import.meta.url));

interface Child {
  readonly process: ChildProcess;
  /** The next line with this property. */
  says(member: string): Promise<Record<string, unknown>>;
  tell(command: string): void;
}

/** A node in a process of its own, which is killed when the test ends. */
function startNode(url: string, timings: Partial<LeaseTimings> = {}): Child {
  const child = spawn(process.execPath, [CHILD, url, JSON.stringify(timings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines: Record<string, unknown>[] = [];
  const reader = createInterface(child.stdout);
  reader.on('line', (line) => lines.push(JSON.parse(line)));
  return {
    process: child,
    async says(member) {
      const signal = AbortSignal.timeout(DEADLINE_MS);
      for (;;) {
        const index = lines.findIndex((line) => member in line);
        if (index >= 0) return lines.splice(index, 1)[0] ?? {};
        await once(reader, 'line', { signal }).catch(() => {
          throw new Error(`the node says no ${member}; it said ${JSON.stringify(lines)}`);
        });
      }
    },
    tell: (command) => child.stdin?.write(`${command}\n`),
  };
}

describe('a node that joins', () => {
  it('has a name of its own, also after it rejoins, and sees all living nodes in the order of joining', async () => {
    const { url, db } = await clusterDatabase();
    const nodes = await Promise.all([1, 2, 3, 4, 5].map(() => joinNode(url)));
    const names = nodes.map(({ node }) => node);
    expect(new Set(names).size).toBe(5);
    expect(nodes.map((node) => node.hasLease())).toEqual([true, true, true, true, true]);
    const inOrder = [1, 2, 3, 4, 5].map((number) => `node-${number}`);
    for (const node of nodes) expect(await node.members()).toEqual(inOrder);
    expect(await living(db)).toEqual(inOrder);
  });

  it('can be found by its name among the connections of the server', async () => {
    const { url, db } = await clusterDatabase();
    const node = await joinNode(url);
    const { rows } = await db.query(
      `select 1 from pg_stat_activity where datname = current_database() and application_name = $1`,
      [`onetake ${node.node}`],
    );
    expect(rows).toHaveLength(1);
  });

  it('shows from the first moment that it counts the places that it takes', async () => {
    const { url, db } = await clusterDatabase();
    await joinNode(url);
    expect((await db.query(NOT_COUNTING_NODES)).rows).toEqual([]);
    await db.query('select pg_advisory_lock($1, 99)', [LOCK_CLASS]);
    expect((await db.query(NOT_COUNTING_NODES)).rows).toEqual([{ name: 'node-99' }]);
  });

  it('is not a member of another database of the same server', async () => {
    const one = await joinNode((await clusterDatabase()).url);
    const other = await joinNode((await clusterDatabase()).url);
    expect(await one.members()).toEqual([one.node]);
    one.broadcast({ kind: 'keys' });
    const third = await joinNode((await clusterDatabase()).url);
    expect([...other.heard, ...third.heard]).toEqual([]);
  });

  it('skips a number whose lock is taken', async () => {
    const { url, db } = await clusterDatabase();
    await db.query('select pg_advisory_lock(3706, 1)');
    await expect(joinNode(url)).rejects.toMatchObject({ code: 'node_number_taken' });
    expect((await joinNode(url)).node).toBe('node-2');
  });

  it('says what to do if there is no server, or if the tables are missing', async () => {
    const { url, db } = await clusterDatabase();
    await db.query('drop sequence node_numbers');
    await expect(joinNode(url)).rejects.toThrow(/run `onetake migrate`/);
    await expect(joinNode('postgres://user:hunter2@127.0.0.1:1/none')).rejects.toThrow(
      /ONETAKE_DATABASE_URL/,
    );
    await expect(joinNode('postgres://user:hunter2@127.0.0.1:1/none')).rejects.not.toThrow(/hunter2/);
  });

  it.each([1, 2])(
    'refuses a pooler that shares its sessions, of which it has %i, and leaves no lock in it',
    async (sessions) => {
      const { url, db } = await clusterDatabase();
      const pooler = await createPooler(url, { sessions });
      onTestFinished(() => pooler.close());
      const refusal = joinNode(pooler.url);
      await expect(refusal).rejects.toMatchObject({ code: 'session_shared' });
      await expect(refusal).rejects.toThrow(/set ONETAKE_DATABASE_SESSION_URL/);
      expect(await living(db)).toEqual([]);
    },
  );

  it('accepts a pooler that keeps a session for its client', async () => {
    const { url, db } = await clusterDatabase();
    const pooler = await createPooler(url, { share: false });
    onTestFinished(() => pooler.close());
    const one = await joinNode(pooler.url);
    expect(await living(db)).toEqual([one.node]);
    await one.close();
  });

  it('releases its lock at once when it closes, and receives nothing after that', async () => {
    const { url, db } = await clusterDatabase();
    const [one, other] = [await joinNode(url), await joinNode(url)];
    // More than fits into one statement.
    for (let index = 0; index < 1000; index++) one.broadcast({ kind: 'retry', account: `account ${index}` });
    await one.close();
    expect(one.hasLease()).toBe(false);
    expect(await living(db)).toEqual([other.node]);
    await other.hears((message) => message.kind === 'retry' && message.account === 'account 999');
    other.broadcast({ kind: 'keys' });
    await (await joinNode(url)).close();
    expect([one.events, one.heard]).toEqual([[], []]);
    one.broadcast({ kind: 'keys' });
    await one.close();
  });
});

describe('messages', () => {
  it('reach every other node in the order of sending, and never their sender', async () => {
    const { url } = await clusterDatabase();
    const [one, two, three] = [await joinNode(url), await joinNode(url), await joinNode(url)];
    const accounts = Array.from({ length: 1000 }, (_, index) => `account ${index}`);
    for (const account of accounts) one.broadcast({ kind: 'retry', account });
    one.broadcast({ kind: 'keys' });
    for (const node of [two, three]) {
      await node.hears(({ kind }) => kind === 'keys');
      expect(
        node.heard.map(({ message }) => ('account' in message ? message.account : message.kind)),
      ).toEqual([...accounts, 'keys']);
      expect(new Set(node.heard.map(({ from }) => from))).toEqual(new Set([one.node]));
    }
    expect(one.heard).toEqual([]);
  });

  it('that are too long for one payload arrive completely in several', async () => {
    const { url } = await clusterDatabase();
    const [one, two] = [await joinNode(url), await joinNode(url)];
    const tasks = Array.from(
      { length: 2000 },
      (_, index) => [`video_${index}`.padEnd(38, '0'), index] as const,
    );
    one.broadcast({ kind: 'moved', tasks });
    await two.hears((message) => message.kind === 'moved' && message.tasks.at(-1)?.[1] === 1999);
    expect(two.heard.length).toBeGreaterThan(5);
    expect(two.heard.flatMap(({ message }) => (message.kind === 'moved' ? message.tasks : []))).toEqual(
      tasks,
    );
  });

  it('of others on the channel are ignored, and a listener that fails harms nobody', async () => {
    const { url, db } = await clusterDatabase();
    const one = await joinNode(url);
    one.onMessage(() => {
      throw new Error('a listener that fails');
    });
    const after: string[] = [];
    one.onMessage((_message, from) => after.push(from));
    for (const payload of ['', 'nonsense', '{"from":"node-9","kind":"later"}']) {
      await db.query('select pg_notify($1, $2)', ['onetake', payload]);
    }
    // As the store sends them, from other connections.
    await db.query('select pg_notify($1, $2)', [
      'onetake',
      JSON.stringify({ from: 'node-9', kind: 'moved', tasks: [['video_1', 2]] }),
    ]);
    await one.hears(({ kind }) => kind === 'moved');
    expect(one.heard).toHaveLength(1);
    expect(after).toEqual(['node-9']);
    expect(one.hasLease()).toBe(true);
  });
});

describe('a lease that ends', () => {
  it('is reported once and followed by another, under a new name', async () => {
    const { url, db } = await clusterDatabase();
    const [one, other] = [await joinNode(url), await joinNode(url)];
    const before = one.node;
    const kinds: string[] = [];
    one.onLease((event) => kinds.push(`${event} held ${one.hasLease()} as ${one.node}`));
    await terminate(db, before);
    await one.happened('joined');
    expect(kinds).toEqual([`lost held false as ${before}`, `joined held true as ${one.node}`]);
    expect(one.node).not.toBe(before);
    expect(await other.members()).toEqual([other.node, one.node]);
    other.broadcast({ kind: 'keys' });
    await one.hears(({ kind }) => kind === 'keys');
    expect(one.events).toEqual(['lost', 'joined']);
    expect(other.events).toEqual([]);
  });

  it('is followed by another as often as necessary', async () => {
    const { url, db } = await clusterDatabase();
    const one = await joinNode(url);
    const names = new Set<string>();
    for (let round = 1; round <= 4; round++) {
      names.add(one.node);
      await terminate(db, one.node);
      await one.happened('joined', round);
    }
    expect(names.size).toBe(4);
    expect(one.events).toEqual(Array.from({ length: 4 }, () => ['lost', 'joined']).flat());
  });

  it('because the server crashed is followed by another when the server is back', async () => {
    const server = await ownPostgres({ durable: true });
    const db = await connect(server.url);
    await db.query('create sequence node_numbers');
    const nodes = [await joinNode(server.url), await joinNode(server.url)];
    const before = nodes.map(({ node }) => node);
    await server.stop('crash');
    await Promise.all(nodes.map((node) => node.happened('lost')));
    expect(nodes.map((node) => node.hasLease())).toEqual([false, false]);
    await expect(nodes[0]?.members()).rejects.toMatchObject({ code: 'store_unavailable', status: 503 });
    await server.start();
    await Promise.all(nodes.map((node) => node.happened('joined')));
    const after = nodes.map(({ node }) => node);
    expect(new Set([...before, ...after]).size).toBe(4);
    expect(new Set(await nodes[0]?.members())).toEqual(new Set(after));
    expect(nodes.map(({ events }) => events)).toEqual([
      ['lost', 'joined'],
      ['lost', 'joined'],
    ]);
  });

  it('is not replaced once the node is closed', async () => {
    const server = await ownPostgres({ durable: true });
    const db = await connect(server.url);
    await db.query('create sequence node_numbers');
    const one = await joinNode(server.url);
    await server.stop('crash');
    await one.happened('lost');
    await one.close();
    await server.start();
    const again = await connect(server.url);
    expect(await living(again)).toEqual([]);
    expect(one.events).toEqual(['lost']);
  });
});

describe('a lease that was uncertain for a moment', () => {
  it('is lost, although the server still responds: other nodes may have been told', async () => {
    const { url } = await clusterDatabase();
    let ahead = 0;
    const one = await joinNode(url, {}, () => ahead);
    const before = one.node;
    expect(one.hasLease()).toBe(true);
    // As after a pause of the whole process, before any of its timers has fired.
    ahead = 4000;
    expect(one.hasLease()).toBe(false);
    expect(await one.members()).toEqual([before]);
    await one.happened('joined');
    expect(one.events).toEqual(['lost', 'joined']);
    expect(one.node).not.toBe(before);
  });

  it('lasts as long as the server responds, and at most four seconds longer', async () => {
    const { url } = await clusterDatabase();
    let ahead = 0;
    const one = await joinNode(url, {}, () => ahead);
    for (const step of [3999, 3999, 3999]) {
      ahead += step;
      expect(one.hasLease()).toBe(true);
      await one.members();
    }
    ahead += 4000;
    expect(one.hasLease()).toBe(false);
  });
});

describe('a connection without traffic', () => {
  it('is given up by the node at the end of its lease, and replaced when the server can be reached again', async () => {
    const { url } = await clusterDatabase();
    const database = await switchTo(url);
    let now = 0;
    const one = await joinNode(database.url, { leaseMs: 100 }, () => now);
    await database.set('black_hole');
    now = 99;
    expect(one.hasLease()).toBe(true);
    now = 100;
    expect(one.hasLease()).toBe(false);
    await one.happened('lost');
    await database.set('open');
    await one.happened('joined');
    expect(one.events).toEqual(['lost', 'joined']);
  });

  it('is ended by the server, later than the node trusts it', async () => {
    const { url, db } = await clusterDatabase();
    const database = await switchTo(url);
    // The node sends nothing, so only the server can end it. On a busy machine this may happen while the node joins.
    const one = await eventually(() => joinNode(database.url, { pingMs: 3_600_000, serverMs: 1000 }));
    await database.set('black_hole');
    await lockGoes(db, one.node);
    expect(LEASE_TIMINGS.serverMs).toBeGreaterThanOrEqual(1.5 * LEASE_TIMINGS.leaseMs);
  });

  it('does not keep a node from closing', async () => {
    const { url } = await clusterDatabase();
    const database = await switchTo(url);
    const one = await joinNode(database.url);
    one.broadcast({ kind: 'keys' });
    await database.set('black_hole');
    one.broadcast({ kind: 'keys' });
    await one.close();
    expect(one.events).toEqual([]);
  });

  it('does not keep a node joining for ever', async () => {
    const { url } = await clusterDatabase();
    const database = await switchTo(url);
    await database.set('black_hole');
    await expect(joinNode(database.url, { openMs: 200 })).rejects.toMatchObject({
      code: 'store_unavailable',
    });
  });
});

describe('a process', () => {
  it('that is killed loses its name within a moment', async () => {
    const { url, db } = await clusterDatabase();
    const child = startNode(url);
    const { joined } = await child.says('joined');
    expect(await living(db)).toEqual([joined]);
    child.process.kill('SIGKILL');
    await lockGoes(db, String(joined));
  });

  it('that is frozen is ended by the server, and notices it before it handles any event', async () => {
    const { url, db } = await clusterDatabase();
    const child = startNode(url, { pingMs: 250, leaseMs: 2000, serverMs: 3000 });
    await child.says('joined');
    child.tell('spin');
    const { spinning } = await child.says('spinning');
    child.process.kill('SIGSTOP');
    await lockGoes(db, String(spinning));
    child.process.kill('SIGCONT');
    expect(await child.says('held')).toEqual({ held: false, node: spinning });
    expect(await child.says('event')).toEqual({ event: 'lost', node: spinning });
    const { event, node } = await child.says('event');
    expect(event).toBe('joined');
    expect(await living(db)).toEqual([node]);
  });
});

async function terminate(db: Awaited<ReturnType<typeof connect>>, node: string): Promise<void> {
  const { rows } = await db.query<{ done: boolean }>(
    `select pg_terminate_backend(pid) as done from pg_stat_activity where application_name = $1 and datname = current_database()`,
    [`onetake ${node}`],
  );
  expect(rows).toEqual([{ done: true }]);
}
