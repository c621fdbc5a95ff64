import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createReservations } from '../../src/limits/reservations.ts';
import type { PermitGrant, PermitRequest } from '../../src/store/store.ts';
import { createManualTimers } from '../support/manualTimers.ts';

/** Ten a second. */
const RATE = { perSecond: 10, burst: 4 };

type Answer = Partial<PermitGrant>;

/** The reservations of a node at a database that answers what the test says, when it says. */
function aNode() {
  const timers = createManualTimers();
  const requests: (readonly PermitRequest[])[] = [];
  const logged: string[] = [];
  const seen: (readonly PermitGrant[])[] = [];
  const waiting: PromiseWithResolvers<readonly PermitGrant[]>[] = [];
  let lease = true;
  const reservations = createReservations({
    store: {
      reserve(given) {
        requests.push(given);
        const answer = Promise.withResolvers<readonly PermitGrant[]>();
        waiting.push(answer);
        return answer.promise;
      },
    },
    timers,
    after: timers.after,
    log: pino({ level: 'warn' }, { write: (line) => void logged.push(JSON.parse(line).event) }),
    random: () => 0.5,
    hasLease: () => lease,
    part: () => 0.5,
    onAnswer: (grants) => void seen.push(grants),
  });
  const settle = async () => {
    for (let turns = 0; turns < 4; turns++) await turn();
  };
  const open = (kind = 'poll', account = 'one') => {
    let wanted = 0;
    let ready = 0;
    const permits = reservations.permitsOf(account)(kind, RATE, () => wanted);
    permits.onReady(() => {
      ready += 1;
    });
    return {
      ...permits,
      ready: () => ready,
      want(n: number) {
        wanted = n;
      },
      async takeNow(n = 1) {
        permits.take(n);
        wanted -= n;
        await settle();
      },
    };
  };
  onTestFinished(async () => {
    for (const { resolve } of waiting) resolve([]);
    await reservations.stop();
  });
  return {
    reservations,
    timers,
    requests,
    logged,
    seen,
    open,
    settle,
    lease(has: boolean) {
      lease = has;
    },
    /** Answers the last request, for all its kinds. */
    answer: (...answers: Answer[]) => answer(requests.length - 1, answers),
    /** Answers the first request. */
    answerFirst: (...answers: Answer[]) => answer(0, answers),
    async fail() {
      waiting.at(-1)?.reject(new Error('down'));
      await settle();
    },
    async pass(ms: number) {
      timers.moveTo(timers.now() + ms);
      await settle();
    },
  };
  async function answer(n: number, answers: readonly Answer[]) {
    const asked = requests[n] ?? [];
    waiting[n]?.resolve(
      asked.map(({ account, kind, intervalMs }, n) => ({
        account,
        kind,
        granted: 0,
        firstMs: 0,
        intervalMs,
        againMs: 0,
        ...answers[n],
      })),
    );
    await settle();
  }
}

describe('a permit', () => {
  it('is asked for when somebody wants it, and can be taken when it is due', async () => {
    const node = aNode();
    const permits = node.open();
    await node.pass(60_000);
    expect(node.requests).toEqual([]);
    permits.want(1);
    expect(permits.readyIn()).toBe(Number.POSITIVE_INFINITY);
    await node.settle();
    expect(node.requests).toEqual([
      [{ account: 'one', kind: 'poll', wanted: 1, intervalMs: 100, burst: 4, part: 0.5, overdue: false }],
    ]);
    await node.answer({ granted: 1, firstMs: 30 });
    expect([permits.ready(), permits.readyIn()]).toEqual([1, 30]);
    await node.pass(30);
    expect(permits.readyIn()).toBe(0);
    await permits.takeNow();
    expect(node.requests).toHaveLength(1);
  });

  it('of a burst can be taken at once', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(3);
    permits.readyIn();
    await node.settle();
    await node.answer({ granted: 3, firstMs: -150 });
    expect([permits.readyIn(2), permits.readyIn(3)]).toEqual([0, 50]);
  });

  it('that is not taken in time is lost, and asked for again if it is still wanted', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(1);
    permits.readyIn();
    await node.settle();
    await node.answer({ granted: 1 });
    await node.pass(100);
    expect(permits.readyIn()).toBe(0);
    await node.pass(1);
    expect(permits.readyIn()).toBe(Number.POSITIVE_INFINITY);
    await node.settle();
    expect(node.requests).toHaveLength(2);
  });

  it('for a single call is asked for at most every ten milliseconds, together with those of others', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(1);
    permits.readyIn();
    await node.settle();
    await node.answer({ granted: 1 });
    await permits.takeNow();
    permits.want(1);
    // It may be ready as soon as it is asked for.
    expect(permits.readyIn()).toBe(Number.POSITIVE_INFINITY);
    await node.pass(9);
    permits.want(3);
    expect(permits.readyIn()).toBe(Number.POSITIVE_INFINITY);
    await node.settle();
    expect(node.requests).toHaveLength(1);
    await node.pass(1);
    expect(node.requests[1]).toMatchObject([{ wanted: 3 }]);
  });

  it('is not asked for again before the database said so', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(1);
    permits.readyIn();
    await node.settle();
    await node.answer({ againMs: 500 });
    // Half of the spread is added.
    expect([permits.ready(), permits.readyIn()]).toEqual([1, 510]);
    await node.pass(509);
    expect(node.requests).toHaveLength(1);
    await node.pass(1);
    expect(node.requests).toHaveLength(2);
  });

  it('is asked for while others are not due yet, so that none is missing when they are taken', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(100);
    permits.readyIn();
    await node.settle();
    await node.answer({ granted: 3, firstMs: 0, againMs: 10 });
    // 3/8 of the way to the last one, and half of the spread.
    await node.pass(84);
    expect(node.requests).toHaveLength(1);
    await node.pass(1);
    expect(node.requests[1]).toMatchObject([{ wanted: 97 }]);
  });

  it('is asked for as often as somebody asked, even if nothing else is known about the demand', async () => {
    const node = aNode();
    const permits = node.open();
    permits.readyIn(2);
    await node.settle();
    expect(node.requests).toMatchObject([[{ wanted: 2 }]]);
    await node.answer({ granted: 2 });
    expect(permits.readyIn(2)).toBe(100);
    await node.pass(60_000);
    expect([node.requests.length, node.timers.nextAt()]).toEqual([1, undefined]);
  });

  it('costs one look at the demand, however many are taken in the same turn', async () => {
    const node = aNode();
    let looks = 0;
    const permits = node.reservations.permitsOf('one')('poll', RATE, () => {
      looks += 1;
      return 0;
    });
    permits.readyIn(3);
    await node.settle();
    await node.answer({ granted: 3, firstMs: -200 });
    await node.pass(10);
    looks = 0;
    for (let n = 0; n < 3; n++) permits.take();
    await node.settle();
    expect([looks, node.requests.length]).toEqual([1, 1]);
  });
});

describe('a node that has waited for a turn of all nodes', () => {
  const overdue = ({ requests }: ReturnType<typeof aNode>) =>
    requests.at(-1)?.map((request) => request.overdue);
  /** Wants permits, and is told each time to ask again after `ms`. */
  async function waiting(ms: number) {
    const node = aNode();
    const permits = node.open();
    permits.want(3);
    permits.readyIn();
    await node.settle();
    const refused = async (answer: Answer = {}) => {
      await node.answer({ againMs: ms, ...answer });
      await node.pass(ms + 10);
    };
    await refused();
    return { node, permits, refused };
  }

  it('says so, and says it until it gets a permit', async () => {
    // One of two nodes at ten a second: a turn takes 200 ms, but counts as 250 at least.
    expect(overdue((await waiting(239)).node)).toEqual([false]);
    // Two refusals within it make one wait.
    const twice = await waiting(140);
    await twice.refused();
    expect(overdue(twice.node)).toEqual([true]);
    const { node, refused } = await waiting(240);
    expect(overdue(node)).toEqual([true]);
    await refused();
    expect(overdue(node)).toEqual([true]);
    await node.answer({ granted: 1, againMs: 100 });
    await node.pass(110);
    expect(overdue(node)).toEqual([false]);
  });

  it('does not count the time in which it wanted none, nor that of an earlier lease', async () => {
    const { node, permits, refused } = await waiting(300);
    expect(overdue(node)).toEqual([true]);
    permits.want(0);
    await refused();
    permits.want(3);
    permits.readyIn();
    await node.settle();
    expect([node.requests.length, overdue(node)]).toEqual([3, [false]]);
    await refused();
    expect(overdue(node)).toEqual([true]);
    node.reservations.reset();
    permits.readyIn();
    await node.settle();
    expect([node.requests.length, overdue(node)]).toEqual([5, [false]]);
  });
});

describe('the requests of a node', () => {
  it('are one at a time, for all accounts and kinds', async () => {
    const node = aNode();
    const [one, two, three] = [node.open('poll'), node.open('submit'), node.open('poll', 'two')];
    for (const permits of [one, two]) {
      permits.want(1);
      permits.readyIn();
    }
    await node.settle();
    expect(node.requests).toMatchObject([[{ kind: 'poll' }, { kind: 'submit' }]]);
    three.want(5);
    three.readyIn();
    await node.pass(1000);
    expect(node.requests).toHaveLength(1);
    await node.answer({ granted: 1 }, { granted: 1 });
    expect(node.requests[1]).toMatchObject([{ account: 'two', kind: 'poll', wanted: 5 }]);
    expect(node.seen).toHaveLength(1);
  });

  it('that fail are repeated after half a second, and whoever waits is told that nothing is known', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(1);
    permits.readyIn();
    await node.settle();
    await node.fail();
    expect([node.logged, permits.ready(), permits.readyIn()]).toEqual([['limits.reserve_failed'], 1, 500]);
    await node.pass(500);
    expect(node.requests).toHaveLength(2);
  });

  it('end with the lease, and what was granted counts no longer', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(3);
    permits.readyIn();
    await node.settle();
    await node.answer({ granted: 2, firstMs: -100 });
    node.lease(false);
    node.reservations.reset();
    expect(permits.readyIn()).toBe(500);
    await node.pass(5000);
    expect(node.requests).toHaveLength(1);
    node.lease(true);
    node.reservations.reset();
    expect(permits.ready()).toBe(3);
    expect(permits.readyIn()).toBe(Number.POSITIVE_INFINITY);
    await node.settle();
    expect(node.requests).toHaveLength(2);
  });

  it('of an earlier lease are not waited for, and their answers are ignored', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(1);
    permits.readyIn();
    await node.settle();
    node.reservations.reset();
    await node.settle();
    expect(node.requests).toHaveLength(2);
    await node.answerFirst({ granted: 1 });
    expect([permits.readyIn(), node.seen.length]).toEqual([Number.POSITIVE_INFINITY, 0]);
    await node.settle();
    expect(node.requests).toHaveLength(2);
    await node.answer({ granted: 1 });
    expect([permits.readyIn(), node.seen.length]).toEqual([0, 1]);
  });

  it('end with the gateway', async () => {
    const node = aNode();
    const permits = node.open();
    permits.want(1);
    permits.readyIn();
    await node.settle();
    let stopped = false;
    const stopping = node.reservations.stop().then(() => {
      stopped = true;
    });
    await node.settle();
    expect(stopped).toBe(false);
    await node.answer({ granted: 0 });
    await stopping;
    permits.readyIn();
    await node.pass(60_000);
    expect([node.requests.length, node.timers.nextAt()]).toEqual([1, undefined]);
  });
});
