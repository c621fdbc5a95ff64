import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fairShares, type Stake, settle, WHOLE_RATE } from '../../src/store/shares.ts';

const aStake = (node: number, changes: Partial<Stake> = {}): Stake => ({
  node: `node-${node}`,
  alive: true,
  places: 0,
  rate: 0,
  inUse: 0,
  waiting: 0,
  since: 0,
  ...changes,
});

const placesOf = (stakes: readonly Stake[], limit: number) => {
  const fair = fairShares(stakes, limit);
  return stakes.map(({ node }) => fair.get(node)?.places);
};

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

describe('the fair part', () => {
  it('is everything for a single node', () => {
    expect(fairShares([aStake(1)], 20)).toEqual(new Map([['node-1', { places: 20, rate: WHOLE_RATE }]]));
  });

  it('is what each node can use, plus an even part of the rest, so that a first task finds a place', () => {
    expect(placesOf([aStake(1, { inUse: 5, waiting: 3 }), aStake(2), aStake(3)], 20)).toEqual([12, 4, 4]);
  });

  it('is equal for all nodes that could use more, and less only for those that need less', () => {
    const stakes = [aStake(1, { waiting: 1000 }), aStake(2, { waiting: 2 }), aStake(3, { waiting: 100 })];
    expect(placesOf(stakes, 20)).toEqual([9, 2, 9]);
  });

  it('rotates if there are fewer places than nodes: the node that has waited longest comes first', () => {
    const stakes = [
      aStake(1, { waiting: 5, places: 1, since: 30 }),
      aStake(2, { waiting: 5, since: 20 }),
      aStake(3, { waiting: 5, since: 10 }),
    ];
    expect(placesOf(stakes, 1)).toEqual([0, 0, 1]);
    // The second place is in use: the next node waits for it, and its holder starts nothing more on it.
    expect(placesOf(stakes, 2)).toEqual([0, 0, 1]);
    // The node that has held a place longest releases it first.
    const held = stakes.map((stake) => ({ ...stake, places: 1 }));
    expect(placesOf(held, 2)).toEqual([1, 1, 0]);
  });

  it('is a place for each node that wants one, if there are just as many', () => {
    expect(placesOf([aStake(1, { waiting: 5, places: 1 }), aStake(2, { waiting: 5 })], 2)).toEqual([1, 1]);
    // A node that wants none is not counted.
    expect(placesOf([aStake(1, { waiting: 5 }), aStake(2), aStake(3)], 2)).toEqual([2, 0, 0]);
  });

  it('goes first to as many nodes without a place as there are free places', () => {
    const stakes = [
      aStake(1, { waiting: 5, since: 3 }),
      aStake(2, { waiting: 5, since: 1 }),
      aStake(3, { waiting: 5, since: 2 }),
      aStake(4, { waiting: 5, places: 1 }),
    ];
    expect(placesOf(stakes, 3)).toEqual([0, 1, 1, 0]);
    expect(placesOf(stakes, 1)).toEqual([0, 1, 0, 0]);
  });

  it('is nothing if dead nodes hold more than there is, and for nobody without nodes', () => {
    const taken = { inUse: 3, waiting: 5 };
    expect(placesOf([aStake(1, taken), aStake(2, taken)], -1)).toEqual([0, 0]);
    expect(fairShares([], 5)).toEqual(new Map());
  });

  it('of what cannot be divided goes first to the node that has waited longest, and last to the one that held it longest', () => {
    const stakes = [
      aStake(1, { waiting: 9, places: 1, since: 10 }),
      aStake(2, { waiting: 9, inUse: 1, since: 20 }),
      aStake(3, { waiting: 9, since: 30 }),
      aStake(4, { waiting: 9, since: 5 }),
    ];
    expect(placesOf(stakes, 5)).toEqual([1, 1, 1, 2]);
    expect(placesOf(stakes, 6)).toEqual([1, 1, 2, 2]);
    expect(placesOf(stakes, 7)).toEqual([1, 2, 2, 2]);
    // The node that joined first, if all else is equal: the ninth before the tenth.
    expect(placesOf([aStake(10, { waiting: 9 }), aStake(9, { waiting: 9 })], 3)).toEqual([1, 2]);
  });

  it('gives every node a part of the rates, most of it where the tasks are', () => {
    const fair = fairShares([aStake(1, { inUse: 30 }), aStake(2, { waiting: 10 }), aStake(3)], 40);
    const rates = ['node-1', 'node-2', 'node-3'].map((node) => (fair.get(node)?.rate ?? 0) / WHOLE_RATE);
    expect(rates[0]).toBeCloseTo(0.708, 2);
    expect(rates[1]).toBeCloseTo(0.258, 2);
    expect(rates[2]).toBeCloseTo(0.033, 2);
  });
});

describe('the other figures for a node', () => {
  const HALF = WHOLE_RATE / 2;
  /** Of ten places, for the second node. */
  const told = (mine: Partial<Stake>, ...others: Partial<Stake>[]) => {
    const stakes = [aStake(2, mine), ...others.map((other, n) => aStake(n === 0 ? 1 : n + 2, other))];
    const { lacking, wanted } = settle('node-2', stakes, 10) ?? {};
    return { lacking, wanted };
  };

  it('are nothing without a stake', () => {
    expect(settle('node-3', [aStake(1), aStake(2)], 10)).toBeUndefined();
  });

  it('include the part of the rates of the living nodes that joined earlier', () => {
    const stakes = [
      aStake(10, { rate: 1 }),
      aStake(2, { rate: 10 }),
      aStake(1, { rate: 100 }),
      aStake(3, { rate: 1000, alive: false }),
    ];
    expect(['node-1', 'node-2', 'node-10'].map((node) => settle(node, stakes, 10)?.rateBefore)).toEqual([
      0, 100, 110,
    ]);
  });

  it.each<[string, boolean, Partial<Stake>, Partial<Stake>]>([
    [
      'places that the other holds free',
      true,
      { waiting: 50, rate: HALF },
      { places: 10, waiting: 50, rate: HALF },
    ],
    [
      'places that the other uses',
      false,
      { waiting: 50, rate: 800_000 },
      { places: 10, inUse: 10, rate: 200_000 },
    ],
    [
      'a place of which the other uses all but one',
      true,
      { places: 2, inUse: 2, waiting: 3, rate: 425_000 },
      { places: 8, inUse: 7, rate: 575_000 },
    ],
    [
      'no more places than it has',
      false,
      { places: 2, inUse: 2, rate: 950_000 },
      { places: 8, rate: 50_000 },
    ],
    ['one place more', true, { places: 2, inUse: 2, waiting: 1, rate: 950_000 }, { places: 8, rate: 50_000 }],
    [
      'the rate that the other has',
      true,
      { places: 5, waiting: 50 },
      { places: 5, waiting: 50, rate: WHOLE_RATE },
    ],
    [
      'a little of the rate, which is near enough',
      false,
      { places: 5, waiting: 50 },
      { places: 5, waiting: 50, rate: 666_666 },
    ],
    [
      'more than a little of the rate',
      true,
      { places: 5, waiting: 50 },
      { places: 5, waiting: 50, rate: 666_667 },
    ],
    ['nothing at all', false, { places: 5 }, { places: 5, waiting: 50, rate: WHOLE_RATE }],
    ['places of a dead node', false, { waiting: 50 }, { places: 10, rate: WHOLE_RATE, alive: false }],
  ])('say that it lacks %s: %s', (_what, lacking, mine, other) => {
    expect(told(mine, other).lacking).toBe(lacking);
  });

  it.each<[string, boolean, Partial<Stake>, Partial<Stake>]>([
    ['places', true, { places: 10, waiting: 50, rate: HALF }, { waiting: 50, rate: HALF }],
    ['the rate', true, { places: 5, waiting: 50, rate: WHOLE_RATE }, { places: 5, waiting: 50 }],
    ['a little of the rate', false, { places: 5, waiting: 50 }, { places: 5, waiting: 50, rate: 375_000 }],
    ['more than a little of it', true, { places: 5, waiting: 50 }, { places: 5, waiting: 50, rate: 374_999 }],
    ['nothing', false, { places: 10, waiting: 50, rate: WHOLE_RATE }, {}],
    ['nothing any more', false, { places: 10, waiting: 50 }, { waiting: 50, alive: false }],
  ])('say that the other one wants %s: %s', (_what, wanted, mine, other) => {
    expect(told(mine, other).wanted).toBe(wanted);
  });

  it('are the same for one of several other nodes', () => {
    const idle = { rate: 1 };
    expect(told({ waiting: 50, rate: HALF }, { places: 10, rate: HALF }, idle).lacking).toBe(true);
    expect(told({ places: 2, waiting: 50 }, { places: 1, rate: WHOLE_RATE }, idle).lacking).toBe(true);
    expect(told({ places: 10, rate: WHOLE_RATE }, { waiting: 50 }, idle).wanted).toBe(true);
  });
});

/** The nodes as the store keeps them, each with random events. */
function createCluster(limit: number, nodes: number) {
  let clock = 0;
  const stakes = Array.from({ length: nodes }, (_, n) => aStake(n + 1));
  const fair = new Map<number, { places: number; rate: number }>();
  const at = (n: number): Stake => stakes[n] ?? aStake(0);
  const change = (n: number, changes: Partial<Stake>) => {
    stakes[n] = { ...at(n), ...changes };
  };
  const holds = (n: number) => at(n).places > 0 || at(n).inUse > 0;
  /** As the store does: the turn depends on when a node last began to hold places, or to hold none. */
  const turn = (n: number, changes: Partial<Stake>) => {
    const held = holds(n);
    change(n, changes);
    if (holds(n) !== held) change(n, { since: clock });
  };
  const allowed = (n: number) => Math.min(at(n).places, fair.get(n)?.places ?? 0);
  return {
    stakes,
    at,
    demand: (n: number, waiting: number) => change(n, { waiting }),
    /** Tasks are in flight at a node, with or without places for them, such as adopted ones. */
    takeOver: (n: number, tasks: number) => change(n, { inUse: at(n).inUse + tasks }),
    start(n: number) {
      const going = Math.max(0, Math.min(at(n).waiting, allowed(n) - at(n).inUse));
      change(n, { inUse: at(n).inUse + going, waiting: at(n).waiting - going });
    },
    finish: (n: number, tasks: number) => change(n, { inUse: Math.max(0, at(n).inUse - tasks) }),
    tick(n: number) {
      clock += 1;
      const before = at(n);
      const kept = Math.max(allowed(n), Math.min(before.places, before.inUse));
      turn(n, { places: kept, rate: Math.min(before.rate, fair.get(n)?.rate ?? 0) });
      const settled = settle(before.node, stakes, limit);
      if (!settled) throw new Error(`${before.node} has no stake`);
      fair.set(n, { places: settled.fairPlaces, rate: settled.fairRate });
      turn(n, { places: settled.places, rate: settled.rate });
    },
  };
}

const deed = fc.record({
  node: fc.nat({ max: 5 }),
  kind: fc.constantFrom('demand', 'start', 'finish', 'tick', 'tick', 'tick'),
  count: fc.nat({ max: 30 }),
});

describe('the division of an account', () => {
  it('never exceeds its limits, whatever the nodes do and in any order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 6 }),
        fc.array(deed, { maxLength: 200 }),
        (limit, nodes, deeds) => {
          const cluster = createCluster(limit, nodes);
          for (const { node, kind, count } of deeds) {
            const n = node % nodes;
            if (kind === 'demand') cluster.demand(n, count);
            else if (kind === 'finish') cluster.finish(n, count);
            else cluster[kind](n);
            expect(
              sum(cluster.stakes.map(({ places, inUse }) => Math.max(places, inUse))),
            ).toBeLessThanOrEqual(limit);
            expect(sum(cluster.stakes.map(({ rate }) => rate))).toBeLessThanOrEqual(WHOLE_RATE);
          }
        },
      ),
    );
  });

  it('uses all of it after two looks of each node, wherever the tasks are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat({ max: 40 }), { minLength: 6, maxLength: 6 }),
        (limit, first, then) => {
          const cluster = createCluster(limit, first.length);
          const looks = () => {
            // The first look reports; the second returns and receives places.
            for (let look = 0; look < 3; look++) {
              for (let n = 0; n < first.length; n++) {
                cluster.tick(n);
                cluster.start(n);
              }
            }
          };
          for (const demands of [first, then]) {
            for (let n = 0; n < first.length; n++) {
              cluster.finish(n, 1000);
              cluster.demand(n, demands[n] ?? 0);
            }
            const wanted = sum(demands.slice(0, first.length));
            looks();
            const running = sum(cluster.stakes.map(({ inUse }) => inUse));
            expect(running).toBe(Math.min(limit, wanted));
          }
        },
      ),
    );
  });

  it('gives every node its turn, however few places there are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 2, max: 6 }),
        fc.array(fc.nat({ max: 5 }), { minLength: 60, maxLength: 60 }),
        (limit, nodes, order) => {
          const cluster = createCluster(limit, nodes);
          const turns = Array.from({ length: nodes }, () => 0);
          for (let n = 0; n < nodes; n++) cluster.demand(n, 1000);
          for (const who of order) {
            for (let n = 0; n < nodes; n++) {
              const before = cluster.at(n).inUse;
              cluster.tick(n);
              cluster.start(n);
              turns[n] = (turns[n] ?? 0) + cluster.at(n).inUse - before;
            }
            // A node that runs a task finishes it; a random place decides who comes first.
            for (let k = 0; k < nodes; k++) {
              const n = (who + k) % nodes;
              if (cluster.at(n).inUse === 0) continue;
              cluster.finish(n, 1);
              break;
            }
          }
          // At most sixty finish; a node's turn comes after at most one of each other node.
          for (const had of turns) expect(had).toBeGreaterThan(0);
        },
      ),
    );
  });

  it('counts tasks adopted from a dead node, and starts nothing until they are within the limit again', () => {
    const cluster = createCluster(10, 2);
    for (const n of [0, 1]) cluster.demand(n, 100);
    for (let look = 0; look < 3; look++) for (const n of [0, 1]) cluster.tick(n);
    cluster.takeOver(0, 8);
    for (let look = 0; look < 3; look++) {
      for (const n of [0, 1]) {
        cluster.tick(n);
        cluster.start(n);
      }
    }
    expect(cluster.at(0)).toMatchObject({ inUse: 8 });
    cluster.finish(0, 8);
    for (let look = 0; look < 3; look++) {
      for (const n of [0, 1]) {
        cluster.tick(n);
        cluster.start(n);
      }
    }
    expect(cluster.stakes.map(({ inUse }) => inUse)).toEqual([5, 5]);
  });

  it("keeps a dead node's places for its upstream jobs, and shares its rate at once", () => {
    const dead = aStake(1, { alive: false, places: 6, inUse: 4, rate: WHOLE_RATE });
    const settled = settle('node-2', [dead, aStake(2, { waiting: 50 })], 10);
    expect(settled).toMatchObject({ places: 4, fairPlaces: 4, rate: WHOLE_RATE, rateBefore: 0 });
    expect(settled).toMatchObject({ lacking: false, wanted: false });
  });
});
