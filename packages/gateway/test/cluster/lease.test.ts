import { Client } from 'pg';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createTcpSwitch } from '../../../../scripts/servers/tcpSwitch.ts';
import { soloCluster } from '../../src/cluster/cluster.ts';
import { type ClusterOptions, type JoinedCluster, joinCluster } from '../../src/cluster/postgres/cluster.ts';
import { livingNodes } from '../../src/cluster/postgres/livingNodes.ts';
import { LEASE_TIMINGS, sessionSettings } from '../../src/cluster/postgres/timings.ts';
import { eventually } from '../support/eventually.ts';
import { clusterDatabase, joinNode, living, STEADY } from '../support/nodes/clusters.ts';
import { connect, ownPostgres } from '../support/servers/database.ts';

const waits = vi.hoisted((): number[] => []);
vi.mock('node:timers/promises', async (original) => {
  const timers = await original<typeof import('node:timers/promises')>();
  return {
    ...timers,
    setTimeout: (ms: number, value: unknown, options?: { signal?: AbortSignal }) => {
      if (options?.signal) waits.push(ms);
      return timers.setTimeout(options?.signal ? 1 : ms, value, options);
    },
  };
});

type Line = Record<string, unknown>;

/** A node with all that it logs; its lease stands still unless told otherwise. */
async function aNode(url: string, options: Partial<ClusterOptions> = {}) {
  const lines: Line[] = [];
  const log = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const cluster: JoinedCluster = await joinCluster({ ...STEADY, url, log, ...options });
  onTestFinished(() => cluster.close());
  return { cluster, lines, logged: (event: string) => lines.filter((line) => line.event === event) };
}

describe('a lease', () => {
  it('is logged when it is acquired, when it is lost and why, and when the next one is acquired', async () => {
    const { url, db } = await clusterDatabase();
    const { cluster, lines } = await aNode(url);
    const before = cluster.node;
    const joined = new Promise((resolve) => cluster.onLease((event) => event === 'joined' && resolve(event)));
    await db.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
      [`onetake ${before}`],
    );
    await joined;
    expect(lines).toMatchObject([
      { event: 'lease.acquired', node: before },
      { event: 'lease.lost', node: before, why: expect.any(String) },
      { event: 'lease.acquired', node: cluster.node },
    ]);
  });

  it('is retried with a doubling, bounded delay while the server is down', async () => {
    const server = await ownPostgres({ durable: true });
    const db = await connect(server.url);
    await db.query('create sequence node_numbers');
    const timings = { ...STEADY.timings, retryMs: [40, 150] } as const;
    const { cluster, logged } = await aNode(server.url, { timings, random: () => 0.75 });
    waits.length = 0;
    await server.stop('crash');
    await eventually(() => expect(logged('lease.acquire_failed').length).toBeGreaterThan(3));
    expect(waits.slice(0, 4)).toEqual([50, 100, 187.5, 187.5]);
    expect(logged('lease.acquire_failed').slice(0, 4)).toMatchObject(
      [1, 2, 3, 4].map((tries) => ({ tries })),
    );
    await cluster.close();
    const tried = waits.length;
    await server.start();
    expect([waits.length, cluster.hasLease()]).toEqual([tried, false]);
  });

  it.each([
    ['is refused', () => Promise.reject(new Error('out of memory')), 'out of memory'],
    [
      'is answered by another session',
      async () => ({ rows: [{ pid: -1, at: 0 }] }),
      'leads through a pooler in transaction mode',
    ],
  ])('ends at once with a ping that %s', async (_how, answer, why) => {
    const { url } = await clusterDatabase();
    const { query } = Client.prototype;
    let pings = 0;
    const pinging = vi.spyOn(Client.prototype, 'query').mockImplementation(function (
      this: Client,
      ...given: unknown[]
    ) {
      const isPing = String(given[0]).includes('pg_notify');
      return isPing && ++pings === 1 ? answer() : Reflect.apply(query, this, given);
    } as never);
    onTestFinished(() => void pinging.mockRestore());
    const { logged } = await aNode(url, { timings: { ...STEADY.timings, pingMs: 1 } });
    await eventually(() => expect(logged('lease.acquired')).toHaveLength(2));
    expect(logged('lease.lost')).toMatchObject([{ why: expect.stringContaining(why) }]);
  });

  it('that has run out sends no messages, and the next one does', async () => {
    const { url } = await clusterDatabase();
    let ahead = 0;
    const one = await joinNode(url, {}, () => ahead);
    const other = await joinNode(url);
    ahead = LEASE_TIMINGS.leaseMs;
    one.broadcast({ kind: 'keys' });
    // The answer to this is late, and ends it.
    await one.members();
    one.broadcast({ kind: 'keys' });
    await one.happened('joined');
    one.broadcast({ kind: 'retry', account: 'one' });
    await other.hears(({ kind }) => kind === 'retry');
    expect(other.heard.map(({ message }) => message.kind)).toEqual(['retry']);
  });

  it('uses the monotonic clock and the default timings unless told otherwise', async () => {
    const { url } = await clusterDatabase();
    const cluster = await joinCluster({ url, log: pino({ level: 'silent' }) });
    onTestFinished(() => cluster.close());
    expect(cluster.hasLease()).toBe(true);
    expect(cluster.shared).toBe(true);
    expect(Math.abs(cluster.clock.now() - Date.now())).toBeLessThan(60_000);
  });

  it('is released at once when the node leaves', async () => {
    const { url, db } = await clusterDatabase();
    const node = await joinNode(url);
    expect(await living(db)).toEqual([node.node]);
    await node.close();
    expect([await living(db), node.hasLease(), node.events]).toEqual([[], false, []]);
  });

  it('that is acquired while the node leaves is released again', async () => {
    const { url, db } = await clusterDatabase();
    const way = await createTcpSwitch(Number(new URL(url).port));
    onTestFinished(() => way.close());
    const through = new URL(url);
    through.port = String(way.port);
    let now = 0;
    const node = await joinNode(through.href, { leaseMs: 100 }, () => now);
    const connections = vi.spyOn(Client.prototype, 'connect');
    onTestFinished(() => void connections.mockRestore());
    await way.set('black_hole');
    now = 100;
    await node.happened('lost');
    await eventually(() => expect(connections).toHaveBeenCalled());
    const closing = node.close();
    await way.set('open');
    await closing;
    await eventually(async () => expect(await living(db)).toEqual([]));
    expect([node.events, node.hasLease()]).toEqual([['lost'], false]);
  });
});

describe('messages', () => {
  it('that are too long or unknown are logged and ignored', async () => {
    const { url, db } = await clusterDatabase();
    const { cluster, logged } = await aNode(url);
    cluster.broadcast({ kind: 'hint', account: 'one', upstreamId: 'x'.repeat(8000) });
    expect(logged('cluster.message_dropped')).toMatchObject([{ kind: 'hint' }]);
    await db.query('select pg_notify($1, $2)', ['onetake', `nonsense ${'x'.repeat(300)}`]);
    await eventually(() => expect(logged('cluster.message_unknown')).toHaveLength(1));
    expect(logged('cluster.message_unknown')[0]?.payload).toHaveLength(200);
    expect(cluster.hasLease()).toBe(true);
  });

  it('that were being sent when the lease ran out are dropped and logged', async () => {
    const { url } = await clusterDatabase();
    const way = await createTcpSwitch(Number(new URL(url).port));
    onTestFinished(() => way.close());
    const through = new URL(url);
    through.port = String(way.port);
    let now = 0;
    const timings = { ...STEADY.timings, leaseMs: 100 };
    const { cluster, logged } = await aNode(through.href, { timings, now: () => now });
    await way.set('black_hole');
    cluster.broadcast({ kind: 'keys' });
    now = 100;
    await eventually(() => expect(logged('cluster.message_dropped')).not.toEqual([]));
    await way.set('open');
  });

  it('do not reach a listener that has unsubscribed', async () => {
    const { url } = await clusterDatabase();
    const [one, other] = [await joinNode(url), await joinNode(url)];
    const heard: string[] = [];
    const stop = other.onMessage(({ kind }) => heard.push(kind));
    one.broadcast({ kind: 'keys' });
    await other.hears(({ kind }) => kind === 'keys');
    stop();
    one.broadcast({ kind: 'leaving' });
    await other.hears(({ kind }) => kind === 'leaving');
    expect(heard).toEqual(['keys']);
  });
});

describe('the session of a node', () => {
  it('makes the server end it with its node, and keep given numbers through a crash', async () => {
    const { url } = await clusterDatabase();
    const asked = vi.spyOn(Client.prototype, 'query');
    onTestFinished(() => void asked.mockRestore());
    await joinNode(url, { serverMs: 90_000 });
    const set = asked.mock.calls.find(([text]) => String(text).includes('set_config(name'));
    const [names = [], values = []] = (set?.[1] ?? []) as unknown as string[][];
    expect(Object.fromEntries(names.map((name, at) => [name, values[at]]))).toEqual({
      synchronous_commit: 'on',
      ...sessionSettings({ ...LEASE_TIMINGS, serverMs: 90_000 }),
    });
  });

  it('sends keepalive probes often enough to detect a vanished host in time', () => {
    expect(sessionSettings(LEASE_TIMINGS)).toEqual({
      idle_session_timeout: '6000',
      statement_timeout: '6000',
      tcp_keepalives_idle: '2',
      tcp_keepalives_interval: '1',
      tcp_keepalives_count: '4',
      tcp_user_timeout: '6000',
    });
    expect(sessionSettings({ ...LEASE_TIMINGS, serverMs: 500 })).toMatchObject({
      tcp_keepalives_idle: '1',
      tcp_keepalives_count: '1',
    });
  });

  it('is tested with a second connection only if the greeting names another process', async () => {
    const { url } = await clusterDatabase();
    const connections = vi.spyOn(Client.prototype, 'connect');
    onTestFinished(() => void connections.mockRestore());
    await joinNode(url);
    expect(connections).toHaveBeenCalledTimes(1);
  });
});

describe('the living nodes', () => {
  it('are listed by name', async () => {
    const { url } = await clusterDatabase();
    expect(await livingNodes(url)).toEqual([]);
    const nodes = [await joinNode(url), await joinNode(url)];
    expect([...(await livingNodes(url))].sort()).toEqual(nodes.map(({ node }) => node));
  });

  it('are unknown without a database', async () => {
    await expect(livingNodes('postgres://127.0.0.1:1/none')).rejects.toMatchObject({
      code: 'database_unusable',
    });
  });

  it('of the embedded store are one node, which always has its lease', async () => {
    const solo = soloCluster('solo-1');
    expect([solo.shared, solo.node, solo.hasLease(), await solo.members()]).toEqual([
      false,
      'solo-1',
      true,
      ['solo-1'],
    ]);
    const listener = vi.fn();
    for (const stop of [solo.onMessage(listener), solo.onLease(listener)]) stop();
    solo.broadcast({ kind: 'keys' });
    await solo.close();
    expect(listener).not.toHaveBeenCalled();
  });
});
