import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createPlaces, type SharedEntry } from '../../src/limits/places.ts';
import type { Upkeep } from '../../src/limits/upkeep.ts';
import { LONG_AGO } from '../../src/time/clock.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualCluster } from '../support/manualCluster.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

/** What a node knows of the places of two accounts, at a database that answers when the test says. */
function aNode({ freeLingering = async () => undefined }: Partial<Pick<Upkeep, 'freeLingering'>> = {}) {
  const timers = createManualTimers();
  const cluster = createManualCluster();
  const asked: (readonly string[])[] = [];
  const answers: PromiseWithResolvers<Map<string, number>>[] = [];
  const logged: string[] = [];
  const waiting = new Map<string, number>();
  const called: string[] = [];
  const entryOf = (id: string): SharedEntry => ({
    account: {
      id,
      providerId: 'test',
      official: false,
      provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
      limits: { ...LIMITS, inFlight: 2 },
    },
    demand: () => [{ project: 'p', key: 'k', priority: 0, waiting: waiting.get(id) ?? 0 }],
    placesUsed: 0,
    answers: 0,
    intending: new Set(),
    wantsPlace: false,
    free: 0,
    missed: 0,
    isClaimed: false,
    tryFrom: LONG_AGO,
    revision: 0,
    changeListeners: [() => void called.push(id)],
    troubleListeners: [],
  });
  const [one, two] = [entryOf('one'), entryOf('two')];
  const places = createPlaces({
    shared: {
      places(accounts) {
        asked.push(accounts);
        const answer = Promise.withResolvers<Map<string, number>>();
        answers.push(answer);
        return answer.promise;
      },
    },
    cluster,
    timers,
    after: timers.after,
    random: () => 0.5,
    part: () => 0.5,
    log: pino({ level: 'warn' }, { write: (line) => void logged.push(JSON.parse(line).event) }),
    entries: new Map([
      ['one', one],
      ['two', two],
    ]),
    upkeep: {
      everyNodeCounts: () => true,
      warning: () => undefined,
      checkNodes: async () => false,
      freeLingering,
      recount: async () => undefined,
      stop: async () => undefined,
    },
  });
  const settle = async () => {
    for (let turns = 0; turns < 3; turns++) await turn();
  };
  onTestFinished(async () => {
    for (const { resolve } of answers) resolve(new Map());
    await places.stop();
  });
  return {
    places,
    timers,
    cluster,
    one,
    two,
    asked,
    logged,
    called,
    async load() {
      void places.load(async () => undefined);
      await settle();
    },
    /** A task waits for a place of the account. */
    wait(entry: SharedEntry) {
      waiting.set(entry.account.id, 1);
      places.wantPlace(entry);
    },
    /** No task waits for a place of the account any more. */
    leave: (entry: SharedEntry) => void waiting.set(entry.account.id, 0),
    /** Answers a read; by default the last one. */
    async answer(used: number, n = answers.length - 1) {
      answers[n]?.resolve(new Map((asked[n] ?? []).map((account) => [account, used])));
      await settle();
    },
    /** Fails a read; by default the last one. */
    async fail(n = answers.length - 1) {
      answers[n]?.reject(new Error('down'));
      await settle();
    },
    async pass(ms: number) {
      timers.moveTo(timers.now() + ms);
      await settle();
    },
  };
}

describe('the places of accounts under a new lease', () => {
  it('are known once the database has told them, and whoever waits for one that is free is called', async () => {
    const node = aNode();
    node.wait(node.one);
    await node.load();
    expect([node.asked, node.places.isKnown()]).toEqual([[['one', 'two']], false]);
    await node.answer(1);
    expect([node.places.isKnown(), node.one.placesUsed, node.one.answers]).toEqual([true, 1, 1]);
    await node.pass(15);
    expect(node.called).toEqual(['one']);
  });

  it('are read neither without the lease nor after a stop', async () => {
    const node = aNode();
    node.cluster.freeze();
    await node.load();
    node.cluster.freeze(false);
    await node.places.stop();
    await node.load();
    node.wait(node.one);
    expect([node.asked, node.timers.nextAt()]).toEqual([[], undefined]);
  });

  it('are no longer cared for after a stop, whichever read fails then', async () => {
    const node = aNode();
    await node.load();
    await node.load();
    await node.places.stop();
    await node.fail(0);
    await node.fail(1);
    expect([node.logged, node.timers.nextAt()]).toEqual([[], undefined]);
  });

  it('are not read again for a lease that has been lost since', async () => {
    const node = aNode();
    await node.load();
    await node.fail();
    node.places.leaseLost();
    await node.pass(500);
    expect(node.asked).toHaveLength(1);
  });

  it('are read again half a second after a failure, which is logged', async () => {
    const node = aNode();
    await node.load();
    await node.fail();
    expect([node.logged, node.places.isKnown()]).toEqual([['limits.read_failed'], false]);
    await node.pass(499);
    expect(node.asked).toHaveLength(1);
    await node.pass(1);
    expect(node.asked).toHaveLength(2);
    await node.answer(0);
    expect(node.places.isKnown()).toBe(true);
  });

  it('are neither taken from a read of an earlier lease, nor read again if that fails', async () => {
    const node = aNode();
    await node.load();
    node.places.leaseLost();
    await node.load();
    await node.answer(2, 0);
    expect([node.places.isKnown(), node.one.placesUsed]).toEqual([false, 0]);
    node.places.leaseLost();
    await node.fail();
    expect([node.logged, node.timers.nextAt()]).toEqual([[], undefined]);
  });
});

describe('the places for which tasks wait', () => {
  it('are read about every second, those of other accounts never', async () => {
    const node = aNode();
    node.wait(node.one);
    await node.pass(1000);
    expect(node.asked).toEqual([['one']]);
    await node.answer(2);
    await node.pass(1000);
    expect(node.asked).toEqual([['one'], ['one']]);
  });

  it('are read together', async () => {
    const node = aNode();
    node.wait(node.one);
    node.wait(node.two);
    await node.pass(1000);
    expect(node.asked).toEqual([['one', 'two']]);
  });

  it('are read again after a failure, which is logged', async () => {
    const node = aNode();
    node.wait(node.one);
    await node.pass(1000);
    await node.fail();
    expect(node.logged).toEqual(['limits.read_failed']);
    await node.pass(1000);
    expect(node.asked).toHaveLength(2);
  });

  it('are not read while the lease is uncertain', async () => {
    const node = aNode();
    node.wait(node.one);
    node.cluster.freeze();
    await node.pass(1000);
    expect(node.asked).toEqual([]);
    node.cluster.freeze(false);
    await node.pass(1000);
    expect(node.asked).toEqual([['one']]);
  });

  it('are still read every second if a lease began during such a read, whose answer is ignored', async () => {
    const node = aNode();
    node.wait(node.one);
    await node.pass(1000);
    await node.load();
    await node.answer(1, 0);
    expect(node.one.placesUsed).toBe(0);
    await node.answer(2);
    await node.pass(1000);
    expect(node.asked).toEqual([['one'], ['one', 'two'], ['one']]);
  });

  it('are read to the end before a stop', async () => {
    const node = aNode();
    node.wait(node.one);
    await node.pass(1000);
    let stopped = false;
    const stopping = node.places.stop().then(() => {
      stopped = true;
    });
    await node.pass(0);
    expect(stopped).toBe(false);
    await node.answer(0);
    await stopping;
    expect([node.one.placesUsed, node.timers.nextAt()]).toEqual([0, undefined]);
  });

  it('are not read once no task waits', async () => {
    const node = aNode();
    node.wait(node.one);
    node.leave(node.one);
    await node.pass(1000);
    expect([node.asked, node.timers.nextAt()]).toEqual([[], undefined]);
  });
});

describe('a place for which several nodes wait', () => {
  const WAITS = { kind: 'waits', account: 'one' } as const;
  /** Another node frees places, and others take them all before this one tries. */
  async function miss(node: ReturnType<typeof aNode>, free = 1) {
    node.places.learn('one', 2 - free);
    node.places.learn('one', 2);
    await node.pass(15);
    node.wait(node.one);
  }

  it('is claimed by a node that has missed as many as there are nodes, and after each that it misses then', async () => {
    const node = aNode();
    node.wait(node.one);
    await miss(node);
    expect(node.cluster.told).toEqual([]);
    await miss(node);
    expect(node.cluster.told).toEqual([WAITS]);
    // Looking again is no further miss.
    node.wait(node.one);
    expect(node.cluster.told).toEqual([WAITS]);
    await miss(node);
    expect(node.cluster.told).toEqual([WAITS, WAITS]);
    node.places.tried(node.one, true);
    await miss(node);
    expect(node.cluster.told).toHaveLength(2);
    // Its own try that came too late is a miss as well.
    node.places.tried(node.one, false);
    await miss(node);
    expect(node.cluster.told).toHaveLength(3);
  });

  it('is claimed at once if as many were free at a time', async () => {
    const node = aNode();
    node.wait(node.one);
    await miss(node, 2);
    expect(node.cluster.told).toEqual([WAITS]);
  });

  it('is left to a node that claimed it for a tenth of a second, but only once', async () => {
    const node = aNode();
    node.wait(node.one);
    node.places.leaveNext('one');
    node.places.leaveNext('unknown');
    node.places.learn('one', 1);
    await node.pass(114);
    expect(node.called).toEqual([]);
    await node.pass(1);
    expect(node.called).toEqual(['one']);
    node.wait(node.one);
    node.places.learn('one', 1);
    await node.pass(15);
    expect(node.called).toEqual(['one', 'one']);
  });

  it('is not left to another node by one that is overdue itself', async () => {
    const node = aNode();
    node.wait(node.one);
    await miss(node, 2);
    node.called.length = 0;
    node.places.leaveNext('one');
    node.places.learn('one', 1);
    await node.pass(15);
    expect(node.called).toEqual(['one']);
  });
});

it('a failed search for lingering places is logged', async () => {
  const node = aNode({ freeLingering: () => Promise.reject(new Error('down')) });
  node.places.freeLingering();
  await node.pass(0);
  expect(node.logged).toEqual(['limits.read_failed']);
});
