import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DATABASE_CLOCK, reserve } from '../../../src/store/postgres/limits.ts';
import type { PermitGrant, PermitRequest, SharedLimitStore, Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { connect, freshDatabase } from '../../support/servers/database.ts';
import { earlierReserve } from './earlierReserve.ts';
import { openStore } from './openStore.ts';

const AUDIT = { at: START_OF_TIME, actor: 'cli', action: 'account.retry', subject: 'account' };

interface World {
  readonly store: Store;
  readonly limits: SharedLimitStore;
  /** Sets the database's clock to this many milliseconds after the start of time. */
  at(ms: number): Promise<void>;
  /** A node of an earlier version reserves permits of a rate that is known. */
  reservedEarlier(request: PermitRequest): Promise<PermitGrant>;
}

/** A store whose database has a clock that the test sets. */
async function openWorld(): Promise<World> {
  const url = await freshDatabase();
  const client = await connect(url);
  await client.query(`create table test_clock as select ${START_OF_TIME}::float8 as now`);
  const limitsClock = '(select now from test_clock)';
  const store = await openStore(url, { limitsClock });
  if (!store.sharedLimits) throw new Error('the store has no shared limits');
  return {
    store,
    limits: store.sharedLimits,
    at: async (ms) => void (await client.query('update test_clock set now = $1', [START_OF_TIME + ms])),
    async reservedEarlier({ intervalMs, ...request }) {
      const values = [JSON.stringify([{ n: 0, ...request, interval_ms: intervalMs }])];
      const [row] = (await client.query(earlierReserve(limitsClock), values)).rows;
      const { account, kind } = request;
      return {
        account,
        kind,
        granted: row.granted,
        firstMs: row.first_ms,
        intervalMs,
        againMs: row.again_ms,
      };
    },
  };
}

/** Twenty a second, five at once. */
const FAST = {
  account: 'account',
  kind: 'poll',
  wanted: 100,
  intervalMs: 50,
  burst: 5,
  part: 1,
  overdue: false,
};
/** One a second. */
const SLOW = { ...FAST, kind: 'list', wanted: 1, intervalMs: 1000, burst: 1 };

async function reserved({ limits }: World, request: PermitRequest): Promise<PermitGrant> {
  const [grant] = await limits.reserve([request]);
  if (!grant) throw new Error('there is no grant');
  return grant;
}

/** When the permits of a grant are due, in milliseconds from its answer. */
const dueIn = ({ granted, firstMs, intervalMs }: PermitGrant): number[] =>
  Array.from({ length: granted }, (_, k) => firstMs + k * intervalMs);

describe('permits of a fast rate', () => {
  it('are granted up to a quarter of a second ahead, after the burst of a pause', async () => {
    const world = await openWorld();
    const first = await reserved(world, FAST);
    expect(dueIn(first)).toEqual([-200, -150, -100, -50, 0, 50, 100, 150, 200, 250]);
    expect(first).toEqual({
      account: 'account',
      kind: 'poll',
      granted: 10,
      firstMs: -200,
      intervalMs: 50,
      againMs: 50,
    });
    expect(await reserved(world, FAST)).toMatchObject({ granted: 0, againMs: 50 });
    await world.at(100);
    expect(dueIn(await reserved(world, FAST))).toEqual([200, 250]);
  });

  it('are no more than wanted, and none if a node only asks', async () => {
    const world = await openWorld();
    expect(await reserved(world, { ...FAST, wanted: 0 })).toMatchObject({ granted: 0, againMs: 0 });
    expect(await reserved(world, { ...FAST, wanted: 2 })).toMatchObject({
      granted: 2,
      firstMs: -200,
      againMs: 0,
    });
    expect(await reserved(world, { ...FAST, wanted: 1 })).toMatchObject({
      granted: 1,
      firstMs: -100,
      againMs: 0,
    });
    expect(await reserved(world, { ...FAST, wanted: 7 })).toMatchObject({
      granted: 7,
      firstMs: -50,
      againMs: 50,
    });
  });

  it('do not pile up beyond the burst, however long the pause', async () => {
    const world = await openWorld();
    await reserved(world, FAST);
    await world.at(3_600_000);
    expect(await reserved(world, FAST)).toMatchObject({ granted: 10, firstMs: -200 });
  });
});

describe('permits of a slow rate', () => {
  it('are granted one at a time, when they are due or just before', async () => {
    const world = await openWorld();
    expect(await reserved(world, SLOW)).toMatchObject({ granted: 1, firstMs: 0, againMs: 975 });
    await world.at(974);
    expect(await reserved(world, SLOW)).toMatchObject({ granted: 0, againMs: 1 });
    await world.at(975);
    expect(await reserved(world, SLOW)).toMatchObject({ granted: 1, firstMs: 25, againMs: 1000 });
    await world.at(2500);
    expect(await reserved(world, SLOW)).toMatchObject({ granted: 1, firstMs: 0, againMs: 975 });
  });

  it('of a burst are granted at once after a pause', async () => {
    const world = await openWorld();
    // Ten a minute, two at once.
    const starts = { ...SLOW, kind: 'submit', wanted: 5, intervalMs: 6000, burst: 2 };
    expect(await reserved(world, starts)).toMatchObject({ granted: 2, firstMs: -6000, againMs: 5975 });
    await world.at(6000);
    expect(await reserved(world, starts)).toMatchObject({ granted: 1, firstMs: 0 });
  });
});

describe('a node that is overdue', () => {
  it('reserves the next permit before it is due, and so before the others, but no more than that one', async () => {
    const world = await openWorld();
    const waiting = { ...SLOW, wanted: 5 };
    await reserved(world, waiting);
    await world.at(100);
    expect(await reserved(world, waiting)).toMatchObject({ granted: 0, againMs: 875 });
    expect(await reserved(world, { ...waiting, overdue: true })).toMatchObject({ granted: 1, firstMs: 900 });
    expect(await reserved(world, { ...waiting, overdue: true })).toMatchObject({ granted: 0, againMs: 900 });
    expect(await reserved(world, waiting)).toMatchObject({ granted: 0, againMs: 1875 });
    // What was saved in a pause is left to the others, too.
    await world.at(60_000);
    expect(await reserved(world, { ...waiting, overdue: true })).toMatchObject({ granted: 1, firstMs: 0 });
  });

  it('reserves its part of a fast rate while the others are granted none', async () => {
    const world = await openWorld();
    const waiting = { ...FAST, part: 0.5 };
    await reserved(world, waiting);
    await world.at(100);
    expect(await reserved(world, waiting)).toMatchObject({ granted: 0, againMs: 75 });
    expect(await reserved(world, { ...waiting, overdue: true })).toMatchObject({ granted: 2, firstMs: 200 });
    expect(await reserved(world, { ...waiting, overdue: true })).toMatchObject({ granted: 0, againMs: 50 });
  });
});

type Asks = (world: World, request: PermitRequest) => Promise<PermitGrant>;
const newNode: Asks = reserved;

/** For how many intervals of its rate nodes share it. */
const INTERVALS = 60;
const SHARED = fc.record({
  intervalMs: fc.constantFrom(20, 50, 100, 142.857, 249, 250, 400, 1000),
  burst: fc.integer({ min: 1, max: 8 }),
  // The way to the database, and what nodes add to it so that the same one is not always the first.
  delays: fc.infiniteStream(fc.integer({ min: 1, max: 20 })),
});

/**
 * Nodes that always want permits of one rate. Resolves with when the permits of each were due and how many of all were used, and checks
 * that the rate was not exceeded.
 */
async function share(
  world: World,
  {
    intervalMs,
    burst,
    delays,
  }: { readonly intervalMs: number; readonly burst: number; readonly delays: Iterator<number> },
  asks: readonly Asks[],
): Promise<{ readonly nodes: readonly (readonly number[])[]; readonly used: number }> {
  const request = {
    account: 'shared',
    kind: newId(),
    wanted: 50,
    intervalMs,
    burst,
    part: 1 / 3,
    overdue: false,
  };
  const until = INTERVALS * intervalMs;
  const nodes = asks.map((ask) => ({ ask, at: 0, due: [] as number[] }));
  await world.at(0);
  await reserved(world, { ...request, wanted: 0 });
  for (;;) {
    const [node] = nodes.toSorted((a, b) => a.at - b.at);
    if (!node || node.at > until) break;
    await world.at(node.at);
    const grant = await node.ask(world, request);
    node.due.push(...dueIn(grant).map((ms) => node.at + Math.max(0, ms)));
    node.at += grant.againMs + delays.next().value;
  }
  const due = nodes.flatMap((node) => node.due).toSorted((a, b) => a - b);
  // In every span of time: the burst, and one each interval.
  for (const [first, start] of due.entries())
    for (let last = first; last < due.length; last++)
      expect(last - first + 1).toBeLessThanOrEqual(
        burst + Math.floor(((due[last] ?? 0) - start) / intervalMs + 0.01),
      );
  return { nodes: nodes.map((node) => node.due), used: due.filter((ms) => ms <= until).length };
}

describe('a rate', () => {
  it('is independent of the other rates and accounts, and all are asked for in one statement', async () => {
    const world = await openWorld();
    const requests = [
      SLOW,
      { ...SLOW, kind: 'submit' },
      { ...SLOW, account: 'other' },
      { ...FAST, account: 'a', wanted: 1 },
    ];
    const granted = await world.limits.reserve(requests);
    expect(granted.map(({ account, kind, granted: n }) => [account, kind, n])).toEqual(
      requests.map(({ account, kind }) => [account, kind, 1]),
    );
    await world.at(100);
    const next = await world.limits.reserve([...requests, { ...SLOW, account: 'new' }]);
    expect(next.map((grant) => grant.granted)).toEqual([0, 0, 0, 1, 1]);
    expect(await world.limits.reserve([])).toEqual([]);
  });

  it('continues after the clock went back, after two intervals and a quarter of a second at most', async () => {
    const world = await openWorld();
    await world.at(3_600_000);
    await world.limits.reserve([FAST, SLOW]);
    await world.at(0);
    expect(await reserved(world, FAST)).toMatchObject({ granted: 0, firstMs: 300, againMs: 50 });
    expect(await reserved(world, SLOW)).toMatchObject({ granted: 0, firstMs: 2000, againMs: 1975 });
    await world.at(50);
    expect(dueIn(await reserved(world, FAST))).toEqual([250]);
    await world.at(1975);
    expect(dueIn(await reserved(world, SLOW))).toEqual([25]);
  });

  it('grants a node no more than its part of a horizon while nodes get less than they want', async () => {
    const world = await openWorld();
    const fast = { ...FAST, intervalMs: 10, burst: 1, part: 0.4 };
    // Nobody was refused until now.
    expect(await reserved(world, fast)).toMatchObject({ granted: 26, againMs: 10 });
    await world.at(300);
    expect(await reserved(world, fast)).toMatchObject({ granted: 10, againMs: 50 });
    expect(await reserved(world, { ...fast, part: 0.001 })).toMatchObject({ granted: 1, againMs: 5 });
    // The rest of what is granted ahead is left to nodes that are overdue.
    expect(await reserved(world, fast)).toMatchObject({ granted: 2, againMs: 5 });
    // A second after the last refusal.
    await world.at(1500);
    expect(await reserved(world, { ...fast, wanted: 20 })).toMatchObject({ granted: 20 });
  });

  it('is used completely and never exceeded, however nodes share it', async () => {
    const world = await openWorld();
    await fc.assert(
      fc.asyncProperty(SHARED, async (shared) => {
        const { nodes, used } = await share(world, shared, [newNode, newNode, newNode]);
        expect(used).toBeGreaterThanOrEqual(0.97 * INTERVALS);
        for (const due of nodes) expect(due.length).toBeGreaterThan(used / 10);
      }),
      { numRuns: 15 },
    );
  });

  it('is never exceeded while nodes of an earlier version share it, whichever node is overdue', async () => {
    const world = await openWorld();
    await fc.assert(
      fc.asyncProperty(SHARED, fc.infiniteStream(fc.boolean()), async (shared, overdue) => {
        const anyNode: Asks = (in_, request) =>
          reserved(in_, { ...request, overdue: overdue.next().value ?? false });
        const earlierNode: Asks = (in_, request) => in_.reservedEarlier(request);
        const { used } = await share(world, shared, [earlierNode, anyNode, anyNode]);
        expect(used).toBeGreaterThanOrEqual(0.9 * INTERVALS);
      }),
      { numRuns: 15 },
    );
  });

  it('is not durable before its answer: a crash of the server may only bring back permits', async () => {
    const url = await freshDatabase();
    const { sharedLimits } = await openStore(url);
    await sharedLimits?.reserve([SLOW]);
    const client = await connect(url);
    await client.query('set synchronous_commit = on');
    await client.query('begin');
    await client.query(reserve(DATABASE_CLOCK), [JSON.stringify([{ ...SLOW, n: 0, interval_ms: 1000 }])]);
    expect((await client.query('show synchronous_commit')).rows).toEqual([{ synchronous_commit: 'off' }]);
    await client.query('rollback');
    expect((await client.query('show synchronous_commit')).rows).toEqual([{ synchronous_commit: 'on' }]);
  });
});

describe('the trouble of an account', () => {
  it('comes with every grant to submit', async () => {
    const world = await openWorld();
    const request = { ...SLOW, kind: 'submit' };
    const none = { account: 'account', failures: 0, waitMs: 0, revision: 0, reason: undefined };
    expect((await reserved(world, request)).trouble).toEqual(none);
    await world.store.reportTrouble('account', {
      failures: 2,
      waitMs: 5000.5,
      reason: 'rate_limited',
      error: 'slow down',
    });
    await world.at(1000);
    const trouble = { account: 'account', failures: 2, waitMs: 4001, revision: 1, reason: 'rate_limited' };
    expect((await reserved(world, request)).trouble).toEqual(trouble);
    expect(await world.store.troubles(['account', 'other'])).toEqual([trouble]);
    expect(await reserved(world, SLOW)).not.toHaveProperty('trouble');
    expect(await world.store.retryAccount('account', AUDIT)).toBe(true);
    expect((await reserved(world, request)).trouble).toEqual({ ...trouble, waitMs: 0, revision: 2 });
  });

  it('lasts as long as the longest of its blocks', async () => {
    const world = await openWorld();
    await world.store.reportTrouble('account', { failures: 1, waitMs: 9000 });
    await world.store.reportTrouble('account', { failures: 2, waitMs: 1000 });
    expect(await world.store.troubles(['account'])).toMatchObject([
      { failures: 2, waitMs: 9000, revision: 2 },
    ]);
  });
});
