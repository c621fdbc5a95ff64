import { once } from 'node:events';
import type { Client } from 'pg';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { Cluster, LeaseEvent, Message } from '../../../src/cluster/cluster.ts';
import { type ClusterOptions, joinCluster } from '../../../src/cluster/postgres/cluster.ts';
import type { LeaseTimings } from '../../../src/cluster/postgres/timings.ts';
import { eventually } from '../eventually.ts';
import { connect, freshDatabase } from '../servers/database.ts';

/**
 * A lease that survives a busy machine: it is measured by a clock that only a test moves, the server waits
 * for a silent client longer than any test, and a lost lease is soon followed by another.
 */
export const STEADY = {
  now: () => 0,
  timings: { serverMs: 120_000, openMs: 60_000, retryMs: [25, 500] },
} as const satisfies Partial<ClusterOptions>;

/** An expected event happens within this time, or the test fails. Milliseconds. */
export const DEADLINE_MS = 20_000;

/** A node of a test's cluster, with all messages that it receives. */
export interface Node extends Cluster {
  readonly heard: { readonly message: Message; readonly from: string }[];
  readonly events: LeaseEvent[];
  /** Resolves with the `count`th such event of its lease. */
  happened(event: LeaseEvent, count?: number): Promise<void>;
  /** Resolves when it receives a message for which `wanted` is true. */
  hears(wanted: (message: Message) => boolean): Promise<void>;
}

/** Joins a node, which leaves when the test ends; with the timings of `STEADY` by default. */
export async function joinNode(
  url: string,
  timings: Partial<LeaseTimings> = {},
  now: () => number = STEADY.now,
): Promise<Node> {
  const log = pino({ level: process.env.LOG ?? 'silent' });
  const cluster = await joinCluster({ url, log, timings: { ...STEADY.timings, ...timings }, now });
  onTestFinished(() => cluster.close());
  const heard: { message: Message; from: string }[] = [];
  const events: LeaseEvent[] = [];
  const changed = new EventTarget();
  cluster.onMessage((message, from) => {
    heard.push({ message, from });
    changed.dispatchEvent(new Event('change'));
  });
  cluster.onLease((event) => {
    events.push(event);
    changed.dispatchEvent(new Event('change'));
  });
  async function until(what: string, met: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    while (!met()) {
      await once(changed, 'change', { signal }).catch(() => {
        throw new Error(`${what} did not happen in time; events: ${events}; heard: ${JSON.stringify(heard)}`);
      });
    }
  }
  return {
    get node() {
      return cluster.node;
    },
    shared: true,
    hasLease: cluster.hasLease,
    members: cluster.members,
    broadcast: cluster.broadcast,
    onMessage: cluster.onMessage,
    onLease: cluster.onLease,
    close: cluster.close,
    heard,
    events,
    happened: (event, count = 1) =>
      until(`${event} × ${count}`, () => events.filter((one) => one === event).length >= count),
    hears: (wanted) => until('the message', () => heard.some(({ message }) => wanted(message))),
  };
}

/** A database that nodes can join. */
export async function clusterDatabase(): Promise<{ url: string; db: Client }> {
  const url = await freshDatabase();
  const db = await connect(url);
  await db.query('create sequence if not exists node_numbers');
  return { url, db };
}

/** Names of the nodes whose locks are held, according to the server. */
export async function living(db: Client): Promise<readonly string[]> {
  const { rows } = await db.query<{ name: string }>(
    `select 'node-' || objid as name from pg_locks
      where locktype = 'advisory' and classid = 3706 and granted
        and database = (select oid from pg_database where datname = current_database()) order by objid`,
  );
  return rows.map(({ name }) => name);
}

/** Resolves once the server has released a node's lock. */
export const lockGoes = (db: Client, node: string): Promise<void> =>
  eventually(async () => {
    if ((await living(db)).includes(node)) throw new Error(`the lock of ${node} is still held`);
  });
