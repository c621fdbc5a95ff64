import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/providers/provider.ts';
import { createShareNodes, type ShareNode } from '../support/nodes/shareNodes.ts';

const inUse = (nodes: readonly ShareNode[]) => nodes.map(({ state }) => state.inUse);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('the places of an account', () => {
  it('are all available to a single node', async () => {
    const world = await createShareNodes();
    const only = await world.node();
    only.submit(50);
    expect(inUse([only])).toEqual([20]);
    expect(only.shares.rates('one').rate()).toBe(1);
  });

  it('are never exceeded by all nodes together, and are all in use while tasks wait', async () => {
    const world = await createShareNodes();
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const node of nodes) node.submit(300);
    await world.advance(3000);
    let idle = 0;
    let steps = 0;
    await world.advance(20_000, () => {
      const used = sum(inUse(nodes));
      expect(used).toBeLessThanOrEqual(20);
      idle += 20 - used;
      steps += 1;
      // Tasks end at random times, sometimes many, sometimes none.
      for (const [n, node] of nodes.entries()) if ((steps * 7 + n) % 5 === 0) node.finish(1);
    });
    // A finished task is replaced at once, without a round trip or a wait.
    expect(idle / (20 * steps)).toBeLessThan(0.05);
    for (const { begun } of nodes) expect(begun).toBeGreaterThan(60);
  });

  it('follow the tasks from one node to another within two looks', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    a.submit(20);
    await world.advance(2000);
    expect(inUse([a, b])).toEqual([20, 0]);
    b.submit(20);
    a.finish(20);
    await world.advance(2200);
    expect(inUse([a, b])).toEqual([0, 20]);
  });

  it('are found within moments by a task at a node without places, if another node has spare ones', async () => {
    const world = await createShareNodes({ inFlight: 2 });
    const [a, b, c] = [await world.node(), await world.node(), await world.node()];
    await world.advance(6000);
    const without = [a, b, c].find(({ state }) => state.share.places() === 0);
    if (!without) throw new Error('two places for three nodes leave one without');
    without.submit(1);
    await world.advance(400);
    expect(without.state.inUse).toBe(1);
  });

  it('follow even if every message is lost', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    world.deafen();
    a.submit(20);
    await world.advance(10_000);
    expect(inUse([a, b])).toEqual([20, 0]);
    b.submit(20);
    a.finish(20);
    await world.advance(8_000);
    expect(inUse([a, b])).toEqual([0, 20]);
  });

  it('rotate if there is one place and every node wants it', async () => {
    const world = await createShareNodes({ inFlight: 1 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    await world.advance(3000);
    for (const node of nodes) node.submit(100);
    for (let round = 0; round < 12; round++) {
      // Longer than a look, so that a node learns during the task that others wait.
      await world.advance(2500, () => {
        expect(sum(inUse(nodes))).toBeLessThanOrEqual(1);
      });
      expect(sum(inUse(nodes))).toBe(1);
      for (const node of nodes) node.finish(1);
    }
    await world.advance(1000);
    const begun = nodes.map((node) => node.begun);
    expect(sum(begun)).toBe(13);
    expect(Math.max(...begun) - Math.min(...begun)).toBeLessThanOrEqual(1);
  });

  it('of a dead node are free once its tasks are adopted', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    a.submit(100);
    b.submit(100);
    await world.advance(3000);
    const [held = 0] = inUse([a]);
    expect(held).toBeGreaterThan(0);
    await world.pool.query(
      `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
       values ('t1', 'p', 'k', 'm', '{}', 'running', 1, $1, 1, 0, 0, '{}')`,
      [a.name],
    );
    await a.lose();
    expect(a.state.share.places()).toBe(0);
    await world.advance(5000);
    expect(inUse([b])).toEqual([20 - held]);
    // Its rates are used at once, because it sends nothing any more.
    expect(b.shares.rates('one').rate()).toBe(1);
    await world.pool.query('update tasks set owner = $1', [b.name]);
    b.takeOver(held);
    await world.advance(3000);
    expect(inUse([b])).toEqual([20]);
    b.finish(5);
    await world.advance(3000);
    expect(inUse([b])).toEqual([20]);
  });

  it('are lost with the lease, and return with the next one', async () => {
    const world = await createShareNodes();
    const only = await world.node();
    await only.lose();
    only.submit(10);
    await world.advance(3000);
    expect([only.state.inUse, only.state.share.places(), only.shares.rates('one').rate()]).toEqual([0, 0, 0]);
    await only.rejoin();
    // What it held before is free by its second look.
    await world.advance(2500);
    expect(only.state.inUse).toBe(10);
  });

  it('are none as soon as the lease is uncertain, before its loss is reported', async () => {
    const world = await createShareNodes();
    const only = await world.node();
    only.freeze();
    only.submit(10);
    expect([only.state.inUse, only.state.share.places(), only.shares.rates('one').rate()]).toEqual([0, 0, 0]);
  });

  it('stay as granted while the database cannot be reached', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    await world.advance(6000);
    world.fail(true);
    a.submit(100);
    b.submit(100);
    await world.advance(5000);
    expect(inUse([a, b])).toEqual([10, 10]);
    world.fail(false);
    a.finish(10);
    b.finish(10);
    await world.advance(2000);
    expect(inUse([a, b])).toEqual([10, 10]);
  });
});

describe('a report that was given up', () => {
  it('changes nothing when it arrives late', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    await world.advance(6000);
    const arrive = world.detain();
    a.submit(1);
    await world.advance(2000);
    a.submit(19);
    await world.advance(3000);
    const held = a.state.share.places();
    expect(await arrive()).toEqual([]);
    b.submit(20);
    await world.advance(3000);
    expect(sum(inUse([a, b]))).toBe(20);
    expect(inUse([a])[0]).toBeLessThanOrEqual(held);
  });
});

describe('the rates of an account', () => {
  it('are kept within five percent over a minute by three busy nodes, and used to nine tenths', async () => {
    const world = await createShareNodes({ asksPerSecond: 20 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const [n, node] of nodes.entries()) node.submit(4 + n * 3);
    await world.advance(3000);
    for (const node of nodes) node.askAlways();
    await world.advance(2000);
    const before = sum(nodes.map(({ asked }) => asked));
    let steps = 0;
    await world.advance(60_000, () => {
      steps += 1;
      for (const [n, node] of nodes.entries()) {
        if ((steps + n * 40) % 100 === 0) {
          node.finish(2);
          node.submit(3);
        }
      }
    });
    const asked = sum(nodes.map((node) => node.asked)) - before;
    expect(asked).toBeLessThanOrEqual(60 * 20 * 1.05);
    expect(asked).toBeGreaterThanOrEqual(60 * 20 * 0.9);
  });

  it('go where the tasks are, and leave every node enough to begin with', async () => {
    const world = await createShareNodes();
    const [busy, idle] = [await world.node(), await world.node()];
    busy.submit(20);
    await world.advance(4000);
    expect(busy.shares.rates('one').rate()).toBeCloseTo(0.95, 2);
    expect(idle.shares.rates('one').rate()).toBeCloseTo(0.05, 2);
  });
});

describe('the submission rate of an account', () => {
  it('is kept within its limit per minute by three nodes with enough tasks', async () => {
    const world = await createShareNodes({ inFlight: 1000, startsPerMinute: 60 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    await world.advance(4000);
    for (const node of nodes) node.submit(200);
    // The saved allowance is used at once: ten seconds' worth, over all nodes.
    expect(sum(inUse(nodes))).toBeLessThanOrEqual(12);
    await world.advance(20_000);
    const before = sum(inUse(nodes));
    await world.advance(60_000);
    const begun = sum(inUse(nodes)) - before;
    expect(begun).toBeGreaterThanOrEqual(54);
    expect(begun).toBeLessThanOrEqual(63);
  });
});

describe('turns at a limit that cannot be divided', () => {
  it('belong to one node at a time, to each as often as its tasks are many', async () => {
    const world = await createShareNodes({ inFlight: 100 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const [n, node] of nodes.entries()) node.submit(5 * (n + 1));
    await world.advance(8000);
    const taken = nodes.map(() => 0);
    const every = 1000;
    for (let turn = 0; turn < 600; turn++) {
      // In the middle of a turn, while it searches for the next one: the database's clock stands still here.
      const waits = nodes.map(({ shares }) => shares.rates('one').turnIn(every, turn * every));
      const owners = waits.flatMap((wait, n) => (wait < (turn + 1) * every - 60 ? [n] : []));
      expect(owners.length).toBeLessThanOrEqual(1);
      for (const n of owners) taken[n] = (taken[n] ?? 0) + 1;
    }
    expect(sum(taken)).toBeGreaterThan(590);
    const shares = nodes.map((node) => node.shares.rates('one').rate());
    for (const [n, share] of shares.entries()) expect((taken[n] ?? 0) / 600).toBeCloseTo(share, 1);
  });
});

describe("an account's trouble", () => {
  const refusal = () => new UpstreamError('rate_limited', { created: 'no', retryAfterMs: 30_000 });

  it('at one node is known to all at once, also to nodes that join later', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    a.state.backOff(refusal());
    expect(b.state.blocked()).toBe(true);
    await world.advance(1000);
    const c = await world.node();
    for (const node of [a, b, c]) node.submit(1);
    await world.advance(26_000);
    expect(inUse([a, b, c])).toEqual([0, 0, 0]);
    await world.advance(5000);
    expect(inUse([a, b, c])).toEqual([1, 1, 1]);
  });

  it('is found even without messages', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    world.deafen();
    a.state.backOff(refusal());
    await world.advance(6000);
    expect(b.state.blocked()).toBe(true);
  });

  it('ends for all nodes when one finds that the account works', async () => {
    const world = await createShareNodes();
    const [a, b] = [await world.node(), await world.node()];
    await world.advance(3000);
    a.state.backOff(new UpstreamError('rate_limited', { created: 'no', retryAfterMs: 100 }));
    await world.advance(1000);
    // Tried by one task at a time, of which none has an answer yet.
    b.state.take();
    expect(b.state.readyIn()).toBeUndefined();
    a.state.worked();
    expect(b.state.readyIn()).toBe(0);
    expect(b.state.blocked()).toBe(false);
  });
});

describe('the reports of nodes', () => {
  it('are few while nothing happens, and no message is sent', async () => {
    const world = await createShareNodes();
    for (let n = 0; n < 3; n++) await world.node();
    await world.advance(10_000);
    const [reports, told] = [world.reports, world.messages.length];
    await world.advance(60_000);
    // One in five seconds for each node.
    expect(world.reports - reports).toBeLessThanOrEqual(3 * 12);
    expect(world.messages.length).toBe(told);
  });

  it('are at most a few a second for each node, however many tasks come and go', async () => {
    const world = await createShareNodes({ inFlight: 6 });
    const nodes = [await world.node(), await world.node(), await world.node()];
    for (const node of nodes) node.submit(2000);
    await world.advance(3000);
    const before = world.reports;
    await world.advance(10_000, () => {
      for (const node of nodes) node.finish(1);
    });
    expect((world.reports - before) / 30).toBeLessThan(4);
  });
});
