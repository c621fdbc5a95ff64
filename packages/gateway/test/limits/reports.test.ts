import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AccountShare } from '../../src/limits/limits.ts';
import { createAccountShares } from '../../src/limits/shared.ts';
import type { Account } from '../../src/providers/account.ts';
import { WHOLE_RATE } from '../../src/store/shares.ts';
import type { AccountGrant, AccountReport, AccountTrouble } from '../../src/store/store.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

const LOOK = 1000;
const APART = 100;
const RETRY = 500;
const UNCHANGED = 5000;

/** Half of an account of twenty places, as a node that has what is fair is granted it. */
const HALF: Omit<AccountGrant, 'account'> = {
  places: 10,
  fairPlaces: 10,
  rate: WHOLE_RATE / 2,
  fairRate: WHOLE_RATE / 2,
  rateBefore: 0,
  at: 0,
  lacking: false,
  wanted: false,
  failures: 0,
  waitMs: 0,
  reason: undefined,
  revision: 0,
};

/** One node's reports; the test controls the store, the other nodes and the time. */
function aReporter({
  accounts = ['one'],
  random = 0.5,
}: {
  accounts?: readonly string[];
  random?: number;
} = {}) {
  const timers = createManualTimers();
  const cluster = createManualCluster('node-1');
  const logged: string[] = [];
  const start = timers.now();
  /** The reports that arrived at the store: their time and accounts. */
  const reports: { at: number; node: string; reports: readonly AccountReport[] }[] = [];
  const grants = new Map<string, Partial<AccountGrant> | undefined>(accounts.map((id) => [id, {}]));
  let held: Promise<void> | undefined;
  let fails = false;
  const shares = createAccountShares({
    store: {
      async shareAccounts(node, given) {
        reports.push({ at: timers.now() - start, node, reports: given });
        const failing = fails;
        // The grant is determined when the report arrives; the answer may be late.
        const answers = given.flatMap(({ account }) => {
          const grant = grants.get(account);
          return grant ? [{ ...HALF, ...grant, account }] : [];
        });
        await held;
        if (failing) throw new Error('the store is down');
        return answers.reverse();
      },
    },
    cluster,
    timers,
    log: pino({ level: 'warn' }, { write: (line) => void logged.push(JSON.parse(line).event) }),
    random: () => random,
  });
  onTestFinished(() => shares.stop());
  const each = accounts.map((id) => {
    const usage = { inUse: 0, waiting: 0 };
    const heard: AccountTrouble[] = [];
    let changes = 0;
    let looks = 0;
    const account: Account = {
      id,
      providerId: 'test',
      retiresModels: false,
      provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
      limits: { ...LIMITS, inFlight: 20 },
    };
    const share: AccountShare = shares.of(account, () => {
      looks += 1;
      return { ...usage };
    });
    share.onChange(() => {
      changes += 1;
    });
    share.onTrouble((trouble) => void heard.push(trouble));
    return {
      account,
      usage,
      share,
      heard,
      changes: () => changes,
      looks: () => looks,
      grant: (grant: Partial<AccountGrant> | undefined) => void grants.set(id, grant),
    };
  });
  const settle = async () => {
    for (let turns = 0; turns < 5; turns++) await turn();
  };
  let toldBefore = 0;
  const [first, second] = each;
  if (!first) throw new Error('there is no account');
  return {
    ...first,
    second: second ?? first,
    shares,
    cluster,
    timers,
    reports,
    logged,
    settle,
    /** The messages to the other nodes since the last reset. */
    told: () => cluster.told.slice(toldBefore),
    forgetTold() {
      toldBefore = cluster.told.length;
    },
    /** The times of reports, in milliseconds from the beginning. */
    times: () => reports.map(({ at }) => at),
    last: () => reports.at(-1)?.reports ?? [],
    /** Answers come when the returned function is called. */
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return async () => {
        resolve();
        held = undefined;
        await settle();
      };
    },
    fail(on: boolean) {
      fails = on;
    },
    async start() {
      await shares.start();
      await settle();
    },
    async pass(ms: number) {
      const until = timers.now() + ms;
      while (timers.now() < until) {
        timers.moveTo(Math.min(until, timers.nextAt() ?? until));
        await settle();
      }
    },
  };
}

describe('the reports of a node', () => {
  it('begin with its start and end with its stop', async () => {
    const node = aReporter();
    node.share.note('occupied');
    node.cluster.rejoin('node-1');
    await node.pass(2 * LOOK);
    expect(node.times()).toEqual([]);
    await node.start();
    expect(node.times()).toEqual([2 * LOOK]);
    expect(node.last()).toMatchObject([{ account: 'one', limit: 20, places: 0, rate: 0, generation: 0 }]);
    await node.shares.stop();
    node.share.note('occupied');
    node.cluster.lose();
    node.cluster.rejoin('node-2');
    node.cluster.hear({ kind: 'shares', account: 'one' });
    node.cluster.hear({ kind: 'account', account: 'one', failures: 1, waitMs: 1 });
    expect(node.timers.nextAt()).toBeUndefined();
    await node.start();
    await node.pass(2 * UNCHANGED);
    expect([node.times(), node.heard, node.share.places()]).toEqual([[2 * LOOK], [], 10]);
  });

  it('in flight are waited for when it stops, and none follows', async () => {
    const node = aReporter();
    await node.start();
    const answer = node.hold();
    node.share.note('occupied');
    await node.pass(LOOK);
    let stopped = false;
    const stopping = node.shares.stop().then(() => {
      stopped = true;
    });
    await node.settle();
    expect(stopped).toBe(false);
    await answer();
    await stopping;
    expect([node.times(), node.timers.nextAt()]).toEqual([[0, APART], undefined]);
  });

  it('do not include local accounts, of which each node has everything', async () => {
    const node = aReporter();
    const local = node.shares.of({ ...node.account, id: 'local', local: true }, () => ({
      inUse: 0,
      waiting: 0,
    }));
    await node.start();
    expect(node.last().map(({ account }) => account)).toEqual(['one']);
    expect([local.places(), local.rate()]).toEqual([20, 1]);
    expect(node.shares.rates('local').turnIn(1000, 7)).toBe(7);
    expect(node.shares.rates('local').rate()).toBe(1);
  });

  it('limit the slots to the maximum of the database column', async () => {
    const node = aReporter();
    const limits = { ...LIMITS, inFlight: Number.MAX_SAFE_INTEGER };
    node.shares.of({ ...node.account, id: 'endless', limits }, () => ({ inUse: 0, waiting: 0 }));
    await node.start();
    expect(node.last().map(({ limit }) => limit)).toEqual([20, 2_147_483_647]);
  });

  it('are made every five seconds without changes, with a look each second', async () => {
    const node = aReporter();
    await node.start();
    const before = node.looks();
    await node.pass(2 * UNCHANGED);
    expect(node.times()).toEqual([0, UNCHANGED, 2 * UNCHANGED]);
    // Once for each look that finds nothing to report; a report itself asks once more.
    expect(node.looks() - before).toBe(10);
  });

  it.each([
    ['a little sooner', 0, 900],
    ['a little later', 1, 1100],
  ])('have jitter: a node looks %s', async (_what, random, at) => {
    const node = aReporter({ random });
    await node.start();
    node.usage.inUse = 1;
    await node.pass(at - 1);
    expect(node.times()).toEqual([0]);
    await node.pass(1);
    expect(node.times()).toEqual([0, at]);
  });

  it.each([
    ['tasks are in flight', { inUse: 1 }],
    ['tasks wait', { waiting: 1 }],
  ])('are made at the next look if %s that did not before', async (_what, usage) => {
    const node = aReporter();
    await node.start();
    Object.assign(node.usage, usage);
    await node.pass(LOOK);
    expect(node.times()).toEqual([0, LOOK]);
    expect(node.last()).toMatchObject([usage]);
    await node.pass(3 * LOOK);
    expect(node.times()).toEqual([0, LOOK]);
  });

  it('are made at the next look if it holds more than its share', async () => {
    const node = aReporter();
    node.grant({ fairPlaces: 9 });
    await node.start();
    node.grant({ places: 9, fairPlaces: 9 });
    await node.pass(3 * LOOK);
    expect(node.times()).toEqual([0, LOOK]);
    expect(node.last()).toMatchObject([{ places: 9 }]);
  });

  it('include only accounts with changes', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    await node.start();
    expect(node.last().map(({ account }) => account)).toEqual(['one', 'two']);
    node.second.usage.waiting = 1;
    await node.pass(LOOK);
    expect(node.last().map(({ account }) => account)).toEqual(['two']);
    node.share.note('occupied');
    await node.settle();
    await node.pass(APART);
    expect(node.last().map(({ account }) => account)).toEqual(['one']);
  });
});

describe('an urgent report', () => {
  it('is made at once, but at least 100 ms after the last one', async () => {
    const node = aReporter();
    await node.start();
    await node.pass(30);
    node.share.note('occupied');
    node.share.note('occupied');
    await node.pass(APART - 31);
    expect(node.times()).toEqual([0]);
    await node.pass(1);
    expect(node.times()).toEqual([0, APART]);
    await node.pass(400);
    node.share.note('occupied');
    await node.pass(1);
    expect(node.times()).toEqual([0, APART, 500]);
    // It replaces the look that was due: looks stay a second apart.
    const before = node.looks();
    await node.pass(4 * LOOK - 2);
    expect(node.looks() - before).toBe(3);
  });

  it('waits for the response to a report in flight', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    await node.start();
    const answer = node.hold();
    node.share.note('occupied');
    await node.pass(APART);
    node.share.note('occupied');
    await node.pass(3 * LOOK);
    expect(node.times()).toEqual([0, APART]);
    await answer();
    await node.pass(1);
    expect(node.times()).toEqual([0, APART, APART + 3 * LOOK]);
    expect(node.last().map(({ account }) => account)).toEqual(['one']);
  });

  it('during a report in flight is made at least 100 ms after that one', async () => {
    const node = aReporter();
    await node.start();
    const answer = node.hold();
    node.share.note('occupied');
    await node.pass(APART);
    node.share.note('occupied');
    await answer();
    await node.pass(APART - 1);
    expect(node.times()).toEqual([0, APART]);
    await node.pass(1);
    expect(node.times()).toEqual([0, APART, 2 * APART]);
  });

  it('is made for a task without a slot, unless other nodes know that tasks wait here', async () => {
    const node = aReporter();
    await node.start();
    node.share.note('lacking');
    node.usage.waiting = 1;
    await node.pass(APART);
    expect(node.times()).toEqual([0, APART]);
    node.usage.waiting = 2;
    node.share.note('lacking');
    await node.pass(2 * APART);
    expect(node.times()).toEqual([0, APART]);
    // Other changes count nevertheless.
    node.share.note('occupied');
    await node.pass(1);
    expect(node.times()).toEqual([0, APART, 3 * APART]);
  });

  it('is made for a free slot that other nodes want', async () => {
    const node = aReporter();
    await node.start();
    node.share.note('released');
    await node.pass(APART);
    expect(node.times()).toEqual([0]);
    node.grant({ wanted: true });
    await node.pass(UNCHANGED);
    node.share.note('released');
    await node.pass(APART);
    expect(node.times()).toEqual([0, UNCHANGED, UNCHANGED + APART]);
  });

  it('can be requested before the first grant', async () => {
    const node = aReporter();
    const answer = node.hold();
    void node.shares.start();
    node.share.note('lacking');
    node.share.note('released');
    await node.settle();
    await answer();
    await node.pass(APART);
    expect(node.times()).toEqual([0, APART]);
  });

  it('is made if another node asks for it', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    await node.start();
    node.cluster.hear({ kind: 'shares', account: 'another' });
    node.cluster.hear({ kind: 'account', account: 'another', failures: 1, waitMs: 1 });
    node.cluster.hear({ kind: 'retry', account: 'one' });
    node.cluster.hear({ kind: 'keys' });
    await node.pass(APART);
    expect(node.times()).toEqual([0]);
    node.cluster.hear({ kind: 'shares', account: 'two' });
    await node.pass(1);
    expect(node.times()).toEqual([0, APART]);
    expect(node.last().map(({ account }) => account)).toEqual(['two']);
    expect([node.heard, node.second.heard]).toEqual([[], []]);
  });
});

describe('a failed report', () => {
  it('is repeated after half a second, as a later generation', async () => {
    const node = aReporter();
    await node.start();
    node.fail(true);
    node.share.note('occupied');
    await node.pass(APART);
    expect(node.logged).toEqual(['limits.report_failed']);
    expect(node.share.places()).toBe(10);
    node.fail(false);
    await node.pass(RETRY - 1);
    expect(node.times()).toEqual([0, APART]);
    await node.pass(1);
    expect(node.times()).toEqual([0, APART, APART + RETRY]);
    expect(node.last()).toMatchObject([{ generation: 1 }]);
    await node.pass(2 * LOOK);
    expect(node.times()).toHaveLength(3);
  });

  it('of an earlier lease does not affect the next one', async () => {
    const node = aReporter();
    await node.start();
    node.fail(true);
    const answer = node.hold();
    node.share.note('occupied');
    await node.pass(APART);
    node.cluster.lose();
    node.fail(false);
    await answer();
    node.cluster.rejoin('node-2');
    await node.pass(1);
    expect(node.last()).toMatchObject([{ generation: 0 }]);
    expect([node.logged, node.times()]).toEqual([[], [0, APART, APART]]);
    await node.pass(2 * LOOK);
    expect(node.times()).toHaveLength(3);
  });
});

describe('a grant', () => {
  it('applies to its account, and calls listeners if it changes the share', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    node.grant({ places: 3 });
    node.second.grant({ places: 4, rate: WHOLE_RATE / 4 });
    await node.start();
    expect([node.share.places(), node.second.share.places()]).toEqual([3, 4]);
    expect([node.share.rate(), node.second.share.rate()]).toEqual([0.5, 0.25]);
    expect(node.shares.rates('two').rate()).toBe(0.25);
    expect([node.changes(), node.second.changes()]).toEqual([1, 1]);
    node.second.grant({ places: 5, rate: WHOLE_RATE / 4 });
    await node.pass(UNCHANGED);
    expect([node.changes(), node.second.changes()]).toEqual([1, 2]);
  });

  it('that is missing takes the share away until the next look', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    await node.start();
    node.grant(undefined);
    node.share.note('occupied');
    node.second.share.note('occupied');
    await node.pass(APART);
    expect([node.share.places(), node.share.rate(), node.changes()]).toEqual([0, 0, 2]);
    expect(node.second.share.places()).toBe(10);
    expect(node.times()).toEqual([0, APART]);
    node.grant({});
    await node.pass(LOOK);
    expect(node.times()).toEqual([0, APART, APART + LOOK]);
    expect(node.share.places()).toBe(10);
  });

  it('does not apply without a valid lease, and nothing is reported then', async () => {
    const node = aReporter();
    await node.start();
    node.cluster.freeze();
    expect([node.share.places(), node.share.rate(), node.shares.rates('one').rate()]).toEqual([0, 0, 0]);
    node.share.note('occupied');
    await node.pass(APART);
    // What waits to be reported is checked once a second, not continuously.
    expect(node.timers.nextAt()).toBe(node.timers.now() + LOOK);
    await node.pass(2 * UNCHANGED);
    expect(node.times()).toEqual([0]);
    node.cluster.freeze(false);
    expect([node.share.places(), node.share.rate()]).toEqual([10, 0.5]);
    await node.pass(LOOK);
    expect(node.times()).toHaveLength(2);
  });

  it('is returned at once as far as others want it, with a message to them', async () => {
    const node = aReporter();
    await node.start();
    node.forgetTold();
    node.usage.inUse = 6;
    node.grant({ fairPlaces: 4, wanted: true });
    await node.pass(LOOK);
    // The second report has returned it; what is in use stays.
    expect(node.times()).toEqual([0, LOOK, LOOK]);
    expect(node.last()).toMatchObject([{ places: 6 }]);
    expect(node.told()).toEqual([{ kind: 'shares', account: 'one' }]);
  });

  it.each([
    ['nobody wants it', { fairPlaces: 4 }],
    ['it has none to spare', { wanted: true }],
  ])('is not returned at once if %s', async (_what, grant) => {
    const node = aReporter();
    await node.start();
    node.forgetTold();
    node.usage.inUse = 1;
    node.grant(grant);
    await node.pass(LOOK);
    expect([node.times(), node.told()]).toEqual([[0, LOOK], []]);
  });

  it('is announced if it is the first, or if the node lacks something', async () => {
    const node = aReporter();
    const TOLD = { kind: 'shares', account: 'one' };
    await node.start();
    expect(node.told()).toEqual([TOLD]);
    await node.pass(UNCHANGED);
    expect(node.told()).toEqual([TOLD]);
    node.grant({ lacking: true });
    await node.pass(UNCHANGED);
    expect(node.told()).toEqual([TOLD, TOLD]);
  });

  it('is not announced if nobody wants what was returned', async () => {
    const node = aReporter();
    node.grant({ fairPlaces: 4 });
    await node.start();
    node.forgetTold();
    node.grant({ places: 4, fairPlaces: 4 });
    await node.pass(LOOK);
    expect(node.last()).toMatchObject([{ places: 4 }]);
    expect(node.told()).toEqual([]);
  });
});

describe('a lease', () => {
  it('that is lost takes the share away, and the next one begins with a report', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    await node.start();
    await node.pass(APART / 2);
    node.cluster.lose();
    expect([node.share.places(), node.second.share.places()]).toEqual([0, 0]);
    expect([node.changes(), node.second.changes()]).toEqual([2, 2]);
    await node.pass(2 * UNCHANGED);
    expect(node.times()).toEqual([0]);
    node.cluster.rejoin('node-2');
    await node.pass(1);
    expect(node.times()).toEqual([0, 2 * UNCHANGED + APART / 2]);
    expect(node.reports.at(-1)).toMatchObject({ node: 'node-2' });
    expect(node.last()).toMatchObject([
      { account: 'one', places: 0 },
      { account: 'two', places: 0 },
    ]);
    expect([node.share.places(), node.second.share.places()]).toEqual([10, 10]);
  });

  it('that follows at once reports at once', async () => {
    const node = aReporter();
    await node.start();
    await node.pass(10);
    node.cluster.lose();
    node.cluster.rejoin('node-2');
    await node.pass(1);
    expect(node.times()).toEqual([0, 10]);
  });

  it('ignores responses of the earlier one and does not wait for them', async () => {
    const node = aReporter();
    await node.start();
    const late = node.hold();
    node.grant({ places: 7, fairPlaces: 7 });
    node.share.note('occupied');
    await node.pass(APART);
    node.cluster.lose();
    const answer = node.hold();
    node.grant({ places: 3 });
    node.cluster.rejoin('node-2');
    await node.pass(1);
    expect(node.times()).toEqual([0, APART, APART]);
    await late();
    expect(node.share.places()).toBe(0);
    // Nor does its end start a second report beside the one in progress.
    node.share.note('occupied');
    await node.pass(2 * LOOK);
    expect(node.times()).toHaveLength(3);
    await answer();
    expect(node.share.places()).toBe(3);
  });
});

describe('trouble of an account', () => {
  const TROUBLE = { failures: 2, waitMs: 9000, reason: 'rate_limited' };

  it('is sent to the other nodes and to the store once', async () => {
    const node = aReporter();
    await node.start();
    node.forgetTold();
    node.share.tell({ ...TROUBLE, error: 'slow down' });
    expect(node.told()).toEqual([{ kind: 'account', account: 'one', ...TROUBLE }]);
    await node.pass(APART);
    expect(node.last()).toMatchObject([
      { trouble: { failures: 2, waitMs: 9000 - APART, error: 'slow down' } },
    ]);
    await node.pass(UNCHANGED);
    expect(node.last()).not.toMatchObject([{ trouble: expect.anything() }]);
  });

  it('from another node is passed on unchanged', async () => {
    const node = aReporter({ accounts: ['one', 'two'] });
    await node.start();
    const message = { kind: 'account', account: 'two', ...TROUBLE } as const;
    node.cluster.hear(message);
    expect([node.heard, node.second.heard]).toEqual([[], [message]]);
    await node.pass(APART);
    expect(node.times()).toEqual([0]);
  });

  it('from the store is passed on once per revision', async () => {
    const node = aReporter();
    await node.start();
    expect(node.heard).toEqual([]);
    for (const revision of [5, 5, 3, 5]) {
      node.grant({ ...TROUBLE, revision });
      await node.pass(UNCHANGED);
    }
    expect(node.heard).toMatchObject([{ ...TROUBLE, revision: 5 }]);
    expect(node.heard).toHaveLength(1);
  });

  it('is not passed on to the node that reported it', async () => {
    const node = aReporter();
    await node.start();
    node.share.tell(TROUBLE);
    node.grant({ ...TROUBLE, revision: 1 });
    await node.pass(APART);
    expect(node.heard).toEqual([]);
    await node.pass(UNCHANGED);
    expect(node.heard).toEqual([]);
  });

  it('older than an unreported change of this node is not passed on', async () => {
    const node = aReporter();
    await node.start();
    const answer = node.hold();
    node.grant({ ...TROUBLE, revision: 1 });
    await node.pass(UNCHANGED);
    node.share.tell({ failures: 0, waitMs: 0 });
    await answer();
    expect(node.heard).toEqual([]);
    node.grant({ failures: 0, revision: 2 });
    await node.pass(APART);
    expect(node.last()).toMatchObject([{ trouble: { failures: 0, waitMs: 0 } }]);
  });

  it.each([
    ['a person may have fixed in the meantime', 'auth_failed', 0],
    ['ends by itself', 'rate_limited', 9000],
    ['has no reason of ours', 'gone_fishing', 9000],
    ['has no reason', undefined, 9000],
  ])(
    'from before the start that %s blocks the first task for the right time',
    async (_what, reason, waitMs) => {
      const node = aReporter();
      node.grant({ failures: 3, waitMs: 9000, reason, revision: 1 });
      await node.start();
      expect(node.heard).toMatchObject([{ failures: 3, waitMs, reason }]);
      // Since the start it is current trouble.
      node.grant({ failures: 4, waitMs: 9000, reason, revision: 2 });
      await node.pass(UNCHANGED);
      expect(node.heard.slice(1)).toMatchObject([{ failures: 4, waitMs: 9000, reason }]);
    },
  );
});

describe('turns at an account', () => {
  const EVERY = 1000;

  it('are unlimited for a node with the whole rate, and absent without a share', async () => {
    const node = aReporter();
    node.grant({ rate: WHOLE_RATE, fairRate: WHOLE_RATE });
    expect(node.shares.rates('one').turnIn(EVERY, 7)).toBe(Number.POSITIVE_INFINITY);
    await node.start();
    expect(node.shares.rates('one').turnIn(EVERY, 7)).toBe(7);
    node.grant({ rate: 0 });
    await node.pass(UNCHANGED);
    expect(node.shares.rates('one').turnIn(EVERY, 7)).toBe(Number.POSITIVE_INFINITY);
  });

  it('follow the database clock, estimated at half of the round trip', async () => {
    const node = aReporter();
    await node.start();
    const answer = node.hold();
    // The second half: turns whose number falls into it, like the multiples of the golden ratio.
    const at = 7_000_000;
    node.grant({ at, rateBefore: WHOLE_RATE / 2 });
    await node.pass(UNCHANGED);
    await node.pass(400);
    await answer();
    const GOLDEN = (Math.sqrt(5) - 1) / 2;
    const turnsFrom = (from: number): number => {
      let turn = Math.ceil((from - 50) / EVERY);
      while ((turn * GOLDEN) % 1 < 0.5) turn += 1;
      return Math.max(0, turn * EVERY - from);
    };
    // 200 of the 400 ms have passed since the database returned its time.
    for (const after of [0, 300, 1700, 2500, 4100]) {
      expect(node.shares.rates('one').turnIn(EVERY, after)).toBeCloseTo(
        after + turnsFrom(at + 200 + after),
        6,
      );
    }
    await node.pass(100);
    expect(node.shares.rates('one').turnIn(EVERY, 0)).toBeCloseTo(turnsFrom(at + 300), 6);
  });
});
