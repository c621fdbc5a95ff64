import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createEngine,
  createFeed,
  createLog,
  createSharedLimits,
  type EngineParts,
  joinCluster,
  openPostgresStore,
  pollRate,
} from '@onetake/gateway';
import { Client } from 'pg';
import { nullInspector, nullStorage } from '../cluster/media.ts';
import { aNewTask } from '../cluster/populate.ts';
import type { BenchProvider } from './provider.ts';
import { createVirtualTime } from './virtualTime.ts';

/** Nodes with their engines on one database, in virtual time. */
export interface LimitsWorld extends AsyncDisposable {
  /** Milliseconds since the beginning. */
  now(): number;
  join(): Promise<LimitsNode>;
  /** Calls to the database about limits so far. */
  readonly statements: ReadonlyMap<string, number>;
  /** The clock of the database is set forward or back. */
  setDatabaseClock(byMs: number): void;
  /** Lets `ms` pass; `each` is called about every second. */
  pass(ms: number, each: () => Promise<void>): Promise<void>;
}

export interface LimitsNode {
  readonly name: string;
  /** Tasks of different keys take turns. */
  submit(account: string, tasks: number, key?: string): Promise<readonly string[]>;
  /** How many of its tasks wait for the account. */
  waiting(account: string): number;
  /** Ends it as `kill -9` does. */
  kill(): Promise<void>;
}

/** An account that the nodes share. Tasks for it have its name as their model. */
export interface BenchAccount {
  readonly id: string;
  readonly limits: EngineParts['accounts'][number]['limits'];
  readonly provider: BenchProvider;
}

type AccountDemand = Parameters<NonNullable<EngineParts['limits']>['open']>[1];
type Cluster = EngineParts['cluster'];

const START_MS = Date.UTC(2026, 0, 1);
/** How far the clock of each node is ahead of that of the node before. Milliseconds. */
const SKEW_MS = 7654;
/** Longest step of the time. Milliseconds. */
const STEP_MS = 1000;
/** Real time that a node may be silent: virtual time takes as long as the machine needs. Milliseconds. */
const PATIENCE_MS = 600_000;
const SETTINGS: EngineParts['settings'] = {
  taskDeadlineMs: 86_400_000,
  maxAttempts: 10,
  resubmitUnknown: false,
  callTimeoutMs: 60_000,
  downloadConcurrency: 64,
  retentionMs: 86_400_000,
  eventRetentionMs: 86_400_000,
  taskRetentionMs: 0,
  ledgerRetentionMs: 0,
  deliveryRetentionMs: 0,
  auditRetentionMs: 0,
  scrubIntervalMs: 0,
  downloadPatienceMs: 86_400_000,
};
/** Calls after which no message is sent to other nodes. */
const SILENT = new Set([
  'adopt',
  'estimates',
  'expiredSince',
  'loads',
  'media',
  'oldNodes',
  'owned',
  'places',
  'putMedia',
  'reserve',
  'task',
  'tasks',
  'troubles',
]);

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: closures over one shared state: the time, and the calls under way of all nodes
export async function createLimitsWorld(
  databaseUrl: string,
  accounts: readonly BenchAccount[],
  random: () => number,
): Promise<LimitsWorld> {
  const opened = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  opened.defer(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'video');
  await writeFile(file, 'a video');
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  opened.defer(() => client.end());
  await client.query(`create table bench_clock as select ${START_MS}::float8 as now`);
  const time = createVirtualTime(random);
  const statements = new Map<string, number>();
  const log = createLog('silent');
  const listening = new Set<() => Promise<unknown>>();
  let underWay = 0;
  /** Resolves when no call is under way. */
  let answered = Promise.withResolvers<void>();
  let calls = 0;
  /** How many times the connections of all nodes must answer until no message is under way. */
  let roundsDue = 0;
  let jumpedMs = 0;
  let clockAt = START_MS;
  let clockSet: Promise<unknown> = Promise.resolve();
  let nodes = 0;
  let number = 0;

  /** Knows when the calls of an object have been answered. After the death of its node they never are. */
  function tracked<T extends object>(of: T, isDead: () => boolean, count = false): T {
    return new Proxy(of, {
      get(target, name) {
        const method = Reflect.get(target, name);
        if (typeof method !== 'function' || name === 'onPlaces' || name === 'onExternalChange') return method;
        const tells = !SILENT.has(String(name));
        const call = async (given: unknown[]) => {
          try {
            if (count) await setClock();
            return await method.apply(target, given);
          } finally {
            underWay -= 1;
            if (underWay === 0) answered.resolve();
            if (tells) roundsDue = Math.max(roundsDue, 1);
          }
        };
        return async (...given: unknown[]) => {
          if (isDead()) return new Promise(() => undefined);
          if (count) statements.set(String(name), (statements.get(String(name)) ?? 0) + 1);
          if (underWay === 0) answered = Promise.withResolvers();
          underWay += 1;
          calls += 1;
          const value = await call(given);
          return isDead() ? new Promise(() => undefined) : value;
        };
      },
    });
  }

  /** The clock of the database is set when it is to be read: at most moments nobody reads it. */
  function setClock(): Promise<unknown> {
    const at = START_MS + time.now() + jumpedMs;
    if (at !== clockAt) clockSet = client.query('update bench_clock set now = $1', [at]);
    clockAt = at;
    return clockSet;
  }

  /** Resolves when nothing happens any more without the time moving. */
  async function settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) {
      const before = calls;
      for (let turns = 0; turns < 4; turns++) {
        await new Promise(setImmediate);
        // Turns without end would take the processor from the database.
        if (underWay > 0) await answered.promise;
      }
      for (; roundsDue > 0; roundsDue--) {
        // The messages of what was sent before have arrived with the answers to this.
        await Promise.all([...listening].map((round) => round()));
        quiet = -1;
      }
      if (calls !== before) quiet = -1;
    }
  }

  async function openNode(): Promise<LimitsNode> {
    nodes += 1;
    const timers = time.timers(nodes * SKEW_MS);
    const clock = { now: () => START_MS + Math.floor(time.now()) + jumpedMs };
    let dead = false;
    let node = 'node-0';
    const store = await openPostgresStore({
      url: databaseUrl,
      cluster: {
        get node() {
          return node;
        },
      },
      poolSize: 4,
      namedStatements: true,
      limitsClock: '(select now from bench_clock)',
    });
    const cluster = await joinCluster({
      url: databaseUrl,
      log,
      timings: { leaseMs: PATIENCE_MS, serverMs: 2 * PATIENCE_MS, openMs: PATIENCE_MS },
    });
    node = cluster.node;
    const telling: Cluster = {
      ...cluster,
      get node() {
        return cluster.node;
      },
      broadcast(message) {
        // It is sent by the node's own connection, and arrives with the next answers of the others.
        roundsDue = 2;
        cluster.broadcast(message);
      },
    };
    const round = () => cluster.members();
    listening.add(round);
    const trackedStore = tracked(store, () => dead);
    if (!store.sharedLimits) throw new Error('PostgreSQL has no shared limits');
    const shared = tracked(store.sharedLimits, () => dead, true);
    const limits = createSharedLimits({
      store: trackedStore,
      shared,
      cluster: telling,
      clock,
      timers,
      log,
      after: timers.after,
      random,
    });
    const demands = new Map<string, AccountDemand>();
    const engine = createEngine({
      store: trackedStore,
      cluster: telling,
      feed: createFeed(),
      timers,
      clock,
      limits: {
        ...limits,
        open(account, demand) {
          demands.set(account.id, demand);
          return limits.open(account, demand);
        },
      },
      log,
      storage: nullStorage(file),
      inspector: nullInspector,
      openInput: async () => {
        throw new Error('no inputs here');
      },
      accounts: accounts.map(({ id, limits, provider }) => ({
        id,
        providerId: 'bench',
        official: false,
        provider: provider.adapterOf(() => node),
        limits,
      })),
      deliveredRate: () => undefined,
      typicalTime: () => ({ medianSeconds: 30, p90Seconds: 60 }),
      servedBy: ({ id }, { request }) => request.model === id,
      servedUntil: () => Number.POSITIVE_INFINITY,
      upstreamModel: () => 'bench',
      upstreamRequest: ({ request }) => request,
      tracker: {
        plan: (_task, { account }) => everyMs(account.limits.minPollIntervalMs),
        answered: () => undefined,
        told: () => undefined,
        batched: () => undefined,
        limited: () => undefined,
        weighAgain: () => false,
        rate: ({ account }) => pollRate(account),
        account: () => ({ reliability: { current: () => 0 }, price: () => 0 }),
      },
      settings: SETTINGS,
    });
    await engine.start();
    const end = async () => {
      if (dead) return;
      dead = true;
      timers.close();
      listening.delete(round);
      await cluster.close();
    };
    opened.defer(() => store.close());
    opened.defer(end);
    return {
      name: node,
      async submit(account, tasks, keyId = 'bench') {
        const made = Array.from({ length: tasks }, () => aNewTask(number++));
        const submitted = await Promise.all(
          made.map((task) => engine.submit({ ...task, keyId, request: { ...task.request, model: account } })),
        );
        return submitted.map(({ task }) => task.id);
      },
      waiting: (account) =>
        demands
          .get(account)?.()
          .reduce((sum, { waiting }) => sum + waiting, 0) ?? 0,
      kill: end,
    };
  }

  return {
    now: time.now,
    join: openNode,
    statements,
    setDatabaseClock(byMs) {
      jumpedMs += byMs;
    },
    async pass(ms, each) {
      const until = time.now() + ms;
      let second = time.now();
      while (time.now() < until) {
        const to = Math.min(until, second + STEP_MS, Math.max(time.nextAt(), time.now() + 1));
        time.moveTo(to);
        await settle();
        if (to < second + STEP_MS) continue;
        second = to;
        await each();
        await settle();
      }
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

/** Polls at a fixed interval, whatever is learnt: the limits alone decide when one goes. */
const everyMs = (ms: number) => ({ pollInMs: ms, remainingMs: 30_000, queryAgainInMs: ms });
