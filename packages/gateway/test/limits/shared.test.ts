import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/providers/provider.ts';
import { LINGER_MS, move } from '../../src/tasks/lifecycle.ts';
import { START_OF_TIME } from '../support/builders.ts';
import { ACCOUNT, createLimitNodes, type LimitNode, type LimitNodes } from '../support/nodes/limitNodes.ts';

const inUse = (nodes: readonly LimitNode[]) => nodes.map(({ running }) => running.length);
const begun = (nodes: readonly LimitNode[]) => nodes.map((node) => node.begun);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const statement = (world: LimitNodes, name: string) => world.statements.get(name) ?? 0;

describe('the places of an account', () => {
  it('are all available to any node, at once', async () => {
    const world = await createLimitNodes();
    const [one, two] = [await world.node(), await world.node()];
    const before = world.timers.now();
    await one.submit(15);
    await two.submit(15);
    expect(inUse([one, two])).toEqual([15, 5]);
    expect(world.timers.now()).toBe(before);
    expect(await world.counted()).toEqual({ rows: 20, counter: 20 });
  });

  it('are never exceeded by all nodes together, and are all in use while tasks wait', async () => {
    const world = await createLimitNodes();
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const node of nodes) await node.submit(100);
    let idle = 0;
    let steps = 0;
    const busy = async () => {
      const { rows, counter } = await world.counted();
      expect(counter).toBe(rows);
      expect(rows).toBeLessThanOrEqual(20);
      idle += 20 - rows;
      steps += 1;
      // Tasks end at different times, sometimes many, sometimes none.
      for (const [n, node] of nodes.entries())
        if ((steps * 7 + n) % 23 === 0) await node.finish(1 + (steps % 3));
    };
    await world.advance(15_000, busy);
    // Chance decides who gets a free place, so that every node gets some is only a matter of time.
    while (nodes.some((node) => node.begun <= 5)) await world.advance(1000, busy);
    expect(idle / (20 * steps)).toBeLessThan(0.05);
  });

  it('that become free at one node are found within moments by a task that waits at another', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    await a.submit(20);
    await b.submit(20);
    expect(inUse([a, b])).toEqual([20, 0]);
    await a.finish(20);
    await world.advance(100);
    expect(inUse([a, b])).toEqual([0, 20]);
  });

  it('are found within about a second if every message is lost', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    world.deafen();
    await a.submit(20);
    await b.submit(20);
    await a.finish(20);
    await world.advance(1200);
    expect(inUse([a, b])).toEqual([0, 20]);
    // The node did not know that they were taken, and was told by its refused try.
    expect(b.refused).toBeGreaterThan(0);
  });

  it('are shared by every node if there is one and every node wants it', async () => {
    const world = await createLimitNodes({ inFlight: 1 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const node of nodes) await node.submit(60);
    for (let round = 0; round < 60; round++) {
      await world.advance(100);
      expect((await world.counted()).rows).toBe(1);
      expect(sum(inUse(nodes))).toBe(1);
      for (const node of nodes) await node.finish(1);
    }
    expect(sum(begun(nodes))).toBeGreaterThanOrEqual(60);
    // The probability that a node gets fewer than six of sixty at random is below 1 in 10,000.
    for (const node of nodes) expect(node.begun).toBeGreaterThan(5);
  });

  it('of a dead node stay taken, and belong to the tasks of whoever adopts them', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    await a.submit(12);
    await b.submit(20);
    await a.lose();
    await world.advance(3000);
    expect(inUse([b])).toEqual([8]);
    await b.adopt();
    expect(inUse([b])).toEqual([20]);
    await b.finish(5);
    await world.advance(1000);
    expect([inUse([b]), await world.counted()]).toEqual([[20], { rows: 20, counter: 20 }]);
  });

  it('are not used by a node without its lease, and are used again with the next one', async () => {
    const world = await createLimitNodes();
    const [one, two] = [await world.node(), await world.node()];
    await one.lose();
    await one.submit(10);
    await world.advance(3000);
    expect(inUse([one])).toEqual([0]);
    await one.rejoin();
    expect(inUse([one])).toEqual([0]);
    // Its tasks belong to a dead node, and somebody adopts them.
    await one.adopt();
    await world.advance(100);
    expect(inUse([one, two])).toEqual([10, 0]);
  });

  it('are taken by nobody while the database cannot be reached, and by everybody afterwards', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    await a.submit(5);
    world.fail(true);
    await a.submit(20);
    await b.submit(20);
    await world.advance(5000);
    expect(inUse([a, b])).toEqual([5, 0]);
    world.fail(false);
    await world.advance(2000);
    expect(sum(inUse([a, b]))).toBe(20);
    expect(await world.counted()).toEqual({ rows: 20, counter: 20 });
  });
});

describe('a job whose end was not learnt', () => {
  it('keeps its place for all nodes until its bound has passed, while tasks wait for it', async () => {
    const world = await createLimitNodes({ inFlight: 2 });
    const [a, b] = [await world.node(), await world.node()];
    await a.submit(2);
    await a.expire(2);
    await b.submit(2);
    await world.advance(LINGER_MS - 60_000, undefined, 30_000);
    expect([inUse([b]), await world.counted()]).toEqual([[0], { rows: 2, counter: 2 }]);
    await world.advance(70_000, undefined, 500);
    expect([inUse([b]), await world.counted()]).toEqual([[2], { rows: 2, counter: 2 }]);
  });

  it('frees its place at once if its own node learns that it has ended', async () => {
    const world = await createLimitNodes();
    const a = await world.node();
    await a.submit(1);
    const [expired] = await a.expire(1);
    await world.settle();
    expect([await world.counted(), statement(world, 'freeLingeringPlaces')]).toEqual([
      { rows: 1, counter: 1 },
      0,
    ]);
    const ended = expired && move(expired, { type: 'ended_late' }, world.timers.now());
    if (!ended || !(await a.store.commit(ended))) throw new Error('the end was not written');
    a.state.limiter.moved(ended);
    await world.settle();
    expect(await world.counted()).toEqual({ rows: 0, counter: 0 });
  });

  it('frees its place within seconds of the report of its end while others wait', async () => {
    const world = await createLimitNodes({ inFlight: 1 });
    const [a, b] = [await world.node(), await world.node()];
    await a.submit(1);
    const [expired] = await a.expire(1);
    await b.submit(1);
    await world.advance(10_000);
    expect(inUse([b])).toEqual([0]);
    const ended = expired && move(expired, { type: 'ended_late' }, world.timers.now());
    if (!ended || !(await a.store.commit(ended))) throw new Error('the end was not written');
    await world.advance(6000);
    expect(inUse([b])).toEqual([1]);
  });
});

describe('a counter that is wrong', () => {
  const spoil = (world: LimitNodes) =>
    world.pool.query('update account_places set in_flight = in_flight + 7');

  it('is corrected by the first node after some minutes, and by a node that starts', async () => {
    const world = await createLimitNodes();
    const [a] = [await world.node(), await world.node()];
    await a.submit(3);
    await spoil(world);
    const before = statement(world, 'recountPlaces');
    await world.advance(301_000, undefined, 60_000);
    expect(await world.counted()).toEqual({ rows: 3, counter: 3 });
    // Only one of the nodes counted.
    expect(statement(world, 'recountPlaces') - before).toBe(1);
    await spoil(world);
    await world.node();
    expect(await world.counted()).toEqual({ rows: 3, counter: 3 });
    expect(world.logged.filter((event) => event === 'limits.recounted')).toHaveLength(2);
  });
});

describe('beside a node of an earlier version', () => {
  it('nothing is submitted until it has ended, and then its places are counted', async () => {
    const world = await createLimitNodes();
    const old = await world.oldNode();
    const node = await world.node();
    await node.submit(20);
    await world.advance(5000);
    expect([inUse([node]), world.logged]).toEqual([[0], ['limits.old_node']]);
    expect(node.warning()).toMatch(/^Nodes of an older version run/);
    await old.submit(8);
    await old.end();
    await world.advance(2500);
    expect([inUse([node]), await world.counted()]).toEqual([[12], { rows: 20, counter: 20 }]);
    expect(node.warning()).toBeUndefined();
  });

  it('that joins later, a node stops submitting', async () => {
    const world = await createLimitNodes();
    const node = await world.node();
    await node.submit(1);
    await world.oldNode();
    await world.advance(3000);
    await node.submit(1);
    await world.advance(100);
    await node.submit(1);
    await world.advance(100);
    expect(world.logged).toEqual(['limits.old_node']);
    expect(inUse([node])[0]).toBeLessThan(3);
  });
});

describe('the rates of an account', () => {
  it.each([
    ['a fast rate', { perSecond: 20, burst: 20 }],
    ['a fast rate without a burst', { perSecond: 19, burst: 1 }],
    ['a slow rate', { perSecond: 1 / 1.1, burst: 1 }],
  ])('are kept and used by three busy nodes: %s', { timeout: 60_000 }, async (_what, rate) => {
    const world = await createLimitNodes();
    const nodes = [await world.node(), await world.node(), await world.node()];
    const calls = nodes.map((node) => node.callAlways('kind', rate));
    const from = world.timers.now();
    await world.advance(20_000);
    const all = calls.flat().length;
    const most = ((world.timers.now() - from) / 1000) * rate.perSecond + rate.burst;
    expect(all).toBeLessThanOrEqual(most);
    // One call may be due right after the end.
    expect(all).toBeGreaterThanOrEqual(Math.floor((most - 1) * 0.99));
    for (const own of calls) expect(own.length).toBeGreaterThan(0);
  });

  it('are available at once to a node that was idle', async () => {
    const world = await createLimitNodes();
    const [busy, idle] = [await world.node(), await world.node()];
    busy.callAlways('kind', { perSecond: 20, burst: 5 });
    await world.advance(5000);
    const from = world.timers.now() - START_OF_TIME;
    const calls = idle.callAlways('kind', { perSecond: 20, burst: 5 });
    await world.advance(1000);
    // As far ahead as the busy node may have reserved.
    expect((calls[0] ?? Number.POSITIVE_INFINITY) - from).toBeLessThanOrEqual(350);
  });

  it('are kept for submissions by nodes with enough tasks: ten seconds’ worth at once, then what the minute allows', async () => {
    const world = await createLimitNodes({ inFlight: 1000, submitsPerMinute: 60 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const node of nodes) await node.submit(60);
    expect(sum(begun(nodes))).toBeLessThanOrEqual(11);
    expect(sum(begun(nodes))).toBeGreaterThanOrEqual(10);
    await world.advance(30_000);
    expect(sum(begun(nodes))).toBeLessThanOrEqual(41);
    expect(sum(begun(nodes))).toBeGreaterThanOrEqual(39);
    for (const node of nodes) expect(node.begun).toBeGreaterThan(2);
  });

  it.each([
    ['forward', 60_000],
    ['back', -60_000],
  ])('are kept when the clock of the database is set %s', async (_how, ms) => {
    const world = await createLimitNodes();
    const nodes = [await world.node(), await world.node()];
    const rate = { perSecond: 5, burst: 5 };
    const calls = nodes.map((node) => node.callAlways('kind', rate));
    await world.advance(5000);
    const before = calls.flat().length;
    world.setDatabaseClock(ms);
    await world.advance(10_000);
    const after = calls.flat().length - before;
    // A clock that goes ahead brings one burst more; one that goes back costs less than a second.
    expect(after).toBeLessThanOrEqual(50 + 5);
    expect(after).toBeGreaterThanOrEqual(50 - 6);
  });
});

describe("an account's trouble", () => {
  const refusal = (retryAfterMs: number) =>
    new UpstreamError('rate_limited', { created: 'no', retryAfterMs });

  it('at one node is known to all at once, also to nodes that join later', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    a.state.backOff(refusal(30_000));
    expect(b.state.blocked()).toBe(true);
    await world.settle();
    const c = await world.node();
    expect(c.state.blocked()).toBe(true);
    for (const node of [a, b, c]) await node.submit(1);
    await world.advance(26_000, undefined, 1000);
    expect(inUse([a, b, c])).toEqual([0, 0, 0]);
    await world.advance(5000);
    expect(inUse([a, b, c])).toEqual([1, 1, 1]);
  });

  it('that people must mend does not end for a node that rejoins, unlike for one that starts', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    await b.lose();
    a.state.backOff(new UpstreamError('auth_failed', { created: 'no' }));
    await world.settle();
    await b.rejoin();
    await b.submit(1);
    const c = await world.node();
    await c.submit(1);
    expect(inUse([b, c])).toEqual([0, 1]);
  });

  it('is learnt with the next submission if the message is lost', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    world.deafen();
    a.state.backOff(refusal(30_000));
    await world.settle();
    expect(b.state.blocked()).toBe(false);
    await b.submit(1);
    expect([b.state.blocked(), inUse([b])]).toEqual([true, [0]]);
  });

  it('ends for all nodes when one finds that the account works', async () => {
    const world = await createLimitNodes();
    const [a, b] = [await world.node(), await world.node()];
    a.state.backOff(refusal(100));
    await world.advance(1000);
    expect(b.state.blocked()).toBe(true);
    a.state.worked();
    expect(b.state.blocked()).toBe(false);
    await world.settle();
    expect((await b.store.troubles([ACCOUNT]))[0]).toMatchObject({ failures: 0, waitMs: 0 });
    await b.submit(3);
    expect([b.state.blocked(), inUse([b])]).toEqual([false, [3]]);
  });
});

describe('without demand', () => {
  it('nodes ask nothing, and one of them counts every five minutes', async () => {
    const world = await createLimitNodes();
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const node of nodes) await node.submit(2);
    await world.advance(10_000, undefined, 1000);
    const before = new Map(world.statements);
    await world.advance(600_000, undefined, 60_000);
    const asked = [...world.statements].map(([name, n]) => [name, n - (before.get(name) ?? 0)] as const);
    expect(asked.filter(([, n]) => n > 0)).toEqual([
      ['recountPlaces', 2],
      ['freeLingeringPlaces', 2],
    ]);
  });
});
