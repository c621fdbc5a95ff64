import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Message } from '../../src/cluster/cluster.ts';
import { createReservations } from '../../src/limits/reservations.ts';
import { createSharedLimits } from '../../src/limits/shared.ts';
import type { Permits } from '../../src/providers/rates/permits.ts';
import type { SharedLimitStore } from '../../src/store/store.ts';
import { newId } from '../../src/tasks/ids.ts';
import { move } from '../../src/tasks/lifecycle.ts';
import type { Timers } from '../../src/time/timers.ts';
import { openStore } from '../store/postgres/openStore.ts';
import { aTask, START_OF_TIME } from '../support/builders.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualTimers, type ManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

// A slow node is always later than the others: whatever chance decides between equals, it never wins by itself.

const log = pino({ level: 'silent' });

const settle = async () => {
  for (let turns = 0; turns < 3; turns++) await turn();
};

/** The timers of a node that does everything `lagMs` late. */
const late = (timers: ManualTimers, lagMs: number): Timers => ({
  ...timers,
  after: (ms, fire) => timers.after(ms + lagMs, fire),
});

/** Chance as a function of a seed. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** Nodes that always have tasks waiting for an account, at a database of which each call takes milliseconds. */
function nodesAtOneAccount(lags: readonly number[], inFlight: number, random: () => number) {
  const timers = createManualTimers();
  const names = lags.map((_lag, n) => `node-${n + 1}`);
  const listeners = new Map<string, (message: Message, from: string) => void>();
  /** Called with what a node's own statements changed. */
  const own = new Map<string, (account: string, inFlight: number) => void>();
  /** Who started each task, in order. */
  const starts: string[] = [];
  let used = 0;
  let most = 0;
  const takes = (ms: number) => new Promise<void>((done) => void timers.after(1 + random() * ms, done));

  function send(message: Message, from: string): void {
    for (const [to, hear] of listeners)
      if (to !== from) timers.after(1 + random() * 10, () => hear(message, from));
  }
  function change(by: number, from: string): void {
    used += by;
    most = Math.max(most, used);
    own.get(from)?.('one', used);
    send({ kind: 'moved', tasks: [], places: [['one', used]] }, from);
  }

  async function open(name: string, lagMs: number): Promise<{ free(): void }> {
    const slow = late(timers, lagMs);
    const shared: SharedLimitStore = {
      places: async () => new Map([['one', used]]),
      recountPlaces: async () => [],
      freeLingeringPlaces: async () => [],
      reserve: async () => [],
      takeRequests: async () => 0,
      oldNodes: async () => [],
      onPlaces(listener) {
        own.set(name, listener);
        return () => own.delete(name);
      },
    };
    const limits = createSharedLimits({
      shared,
      store: {
        async intend() {
          await takes(10);
          if (used >= inFlight) return 'no_place';
          change(1, name);
          starts.push(name);
          return 'written';
        },
        commit: async () => true,
        troubles: async () => [],
        reportTrouble: async () => undefined,
      },
      cluster: {
        shared: true,
        node: name,
        hasLease: () => true,
        members: async () => names,
        broadcast: (message) => send(message, name),
        onMessage(listener) {
          listeners.set(name, listener);
          return () => listeners.delete(name);
        },
        onLease: () => () => undefined,
        close: async () => undefined,
      },
      clock: timers,
      timers: slow,
      after: slow.after,
      log,
      random,
    });
    const limiter = limits.open(
      {
        id: 'one',
        providerId: 'test',
        official: false,
        provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
        limits: { ...LIMITS, inFlight },
      },
      () => [{ project: 'p', key: 'k', priority: 0, waiting: 1 }],
    );
    async function startAll(): Promise<void> {
      for (let ms = limiter.placeReadyIn(); ms !== undefined; ms = limiter.placeReadyIn()) {
        if (ms > 0) return void slow.after(ms, () => void startAll());
        const task = aTask({ id: newId() });
        const intent = move(
          task,
          { type: 'submit_intended', accountId: 'one', idempotencyKey: 'k', upstreamModel: 'm' },
          0,
        );
        if (!intent) throw new Error('the task cannot begin');
        limiter.beginIntent(task.id);
        await limiter.intend(intent);
      }
    }
    limiter.onChange(() => void startAll());
    await limits.start();
    void startAll();
    return { free: () => change(-1, name) };
  }

  return {
    names,
    starts,
    most: () => most,
    used: () => used,
    open: () => Promise.all(names.map((name, n) => open(name, lags[n] ?? 0))),
    async pass(ms: number) {
      for (const until = timers.trueTime() + ms; timers.trueTime() < until; ) {
        const next = timers.nextAt() ?? until;
        timers.moveTo(Math.min(until, Math.max(next, timers.trueTime() + 1)));
        await settle();
      }
    },
  };
}

it('a node that waits for a place misses two turns of all nodes at most, even if each other node is faster', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        // The first node is the slowest.
        lags: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 3 }),
        inFlight: fc.integer({ min: 1, max: 3 }),
        seed: fc.integer({ min: 1, max: 2 ** 30 }),
      }),
      async ({ lags, inFlight, seed }) => {
        const random = randomOf(seed);
        const world = nodesAtOneAccount([30, ...lags], inFlight, random);
        const nodes = await world.open();
        await world.pass(1000);
        for (let ended = 0; ended < 40; ended++) {
          // A job ends, and its place is free at once.
          nodes[Math.floor(random() * nodes.length)]?.free();
          await world.pass(400);
          expect(world.used()).toBe(inFlight);
        }
        expect(world.most()).toBe(inFlight);
        for (const name of world.names) {
          const own = world.starts.flatMap((starter, n) => (starter === name ? [n] : []));
          const turns = [inFlight - 1, ...own, world.starts.length];
          const missed = turns.map((n, at) => n - (turns[at - 1] ?? n) - 1);
          expect(Math.max(...missed)).toBeLessThanOrEqual(2 * nodes.length);
        }
      },
    ),
    { numRuns: 40 },
  );
});

/** Calls whenever there is a permit. Returns when the calls were, in milliseconds from the start of time. */
function callAlways(permits: Permits, timers: ManualTimers): readonly number[] {
  const calls: number[] = [];
  const call = () => {
    for (let ms = permits.readyIn(); ms < Number.POSITIVE_INFINITY; ms = permits.readyIn()) {
      if (ms > 0) return void timers.after(ms, call);
      permits.take();
      calls.push(timers.trueTime() - START_OF_TIME);
    }
  };
  permits.onReady(call);
  call();
  return calls;
}

it('a node that waits for a permit waits for two turns and two permits at most, even if each other node is faster', {
  timeout: 120_000,
}, async () => {
  const url = await freshDatabase();
  const client = await connect(url);
  await client.query(`create table test_clock as select ${START_OF_TIME}::float8 as now`);
  const { sharedLimits } = await openStore(url, { limitsClock: '(select now from test_clock)' });
  if (!sharedLimits) throw new Error('the store has no shared limits');
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        intervalMs: fc.constantFrom(20, 60, 150, 400, 1100, 10_000),
        lags: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
        seed: fc.integer({ min: 1, max: 2 ** 30 }),
      }),
      async ({ intervalMs, lags, seed }) => {
        const random = randomOf(seed);
        const timers = createManualTimers();
        const kind = newId();
        let underWay = 0;
        const rate = { perSecond: 1000 / intervalMs, burst: 1 };
        const calls = [40, ...lags].map((lagMs, _n, all) => {
          const slow = late(timers, lagMs);
          const reservations = createReservations({
            store: {
              async reserve(requests) {
                underWay += 1;
                await client.query('update test_clock set now = $1', [timers.trueTime()]);
                return sharedLimits.reserve(requests).finally(() => {
                  underWay -= 1;
                });
              },
            },
            timers: slow,
            after: slow.after,
            log,
            random,
            hasLease: () => true,
            part: () => 1 / all.length,
            onAnswer: () => undefined,
          });
          const permits = reservations.permitsOf('one')(kind, rate, () => 5);
          return callAlways(permits, timers);
        });
        const intervals = Math.max(25, 5000 / intervalMs);
        const until = intervals * intervalMs;
        for (let now = 0; now < until; now = timers.trueTime() - START_OF_TIME) {
          const next = (timers.nextAt() ?? START_OF_TIME) - START_OF_TIME;
          const to = Math.min(until, Math.max(next, now + 1));
          timers.moveTo(START_OF_TIME + to);
          do await settle();
          while (underWay > 0);
        }
        const all = calls.flat();
        expect(all.length).toBeLessThanOrEqual(intervals + 1);
        expect(all.length).toBeGreaterThanOrEqual(intervals * 0.96);
        for (const own of calls) {
          const waits = [...own, until].map((at, n) => at - (own[n - 1] ?? 0));
          const turn = Math.max(250, calls.length * intervalMs);
          expect(Math.max(...waits)).toBeLessThan(2 * (turn + intervalMs));
        }
      },
    ),
    { numRuns: 8 },
  );
});
