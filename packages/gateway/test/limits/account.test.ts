import { describe, expect, it } from 'vitest';
import { createAccountState } from '../../src/limits/account.ts';
import { type AccountLimiter, pollRate, submitRate } from '../../src/limits/limits.ts';
import type { Account, AccountLimits } from '../../src/providers/account.ts';
import { UpstreamError } from '../../src/providers/provider.ts';
import type { AccountTrouble } from '../../src/store/store.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

/** An account whose places and permits the test controls. */
function anAccount({ limits = {}, random = 0.5 }: { limits?: Partial<AccountLimits>; random?: number } = {}) {
  const timers = createManualTimers();
  const told: AccountTrouble[] = [];
  const world = {
    placeReadyIn: 0 as number | undefined,
    permitIn: 0,
    inFlight: 0,
    waiting: 0,
    waitingOfOther: 1,
    taken: 0,
    asked: 0,
    placeAsked: 0,
  };
  const begun: string[] = [];
  let changed = () => {};
  let permitted = () => {};
  let wanted = () => 0;
  let troubled: (trouble: AccountTrouble) => void = () => {};
  let ready = 0;
  const account = {
    id: 'one',
    providerId: 'test',
    official: false,
    provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
    limits: { ...LIMITS, inFlight: 5, ...limits },
  };
  const own: AccountLimiter = {
    openPermits(kind, rate, demand) {
      expect([kind, rate]).toEqual(['submit', submitRate(account)]);
      wanted = demand;
      return {
        readyIn() {
          world.asked += 1;
          return world.permitIn;
        },
        take() {
          world.taken += 1;
        },
        onReady(listener) {
          permitted = listener;
          return () => undefined;
        },
      };
    },
    placesUsed: () => world.inFlight,
    placeReadyIn() {
      world.placeAsked += 1;
      return world.placeReadyIn;
    },
    beginIntent: (taskId) => void begun.push(taskId),
    intend: async () => 'written',
    moved: () => undefined,
    adopt: () => undefined,
    release: () => undefined,
    report: (trouble) => void told.push(trouble),
    onChange(listener) {
      changed = listener;
    },
    onTrouble(listener) {
      troubled = listener;
    },
  };
  const state = createAccountState({
    account,
    limits: { open: () => own },
    demand: () => [
      { project: 'a', key: 'a', priority: 0, waiting: world.waiting },
      { project: 'b', key: 'b', priority: 0, waiting: world.waitingOfOther },
    ],
    clock: timers,
    wall: timers,
    random: () => random,
  });
  state.onReady(() => {
    ready += 1;
  });
  return {
    state,
    world,
    begun,
    told,
    timers,
    wanted: () => wanted(),
    hear: (trouble: AccountTrouble) => troubled(trouble),
    change: () => changed(),
    permit: () => permitted(),
    ready: () => ready,
    pass: (ms: number) => timers.moveTo(timers.now() + ms),
  };
}

const refusal = (retryAfterMs?: number) =>
  new UpstreamError('rate_limited', {
    created: 'no',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
const broken = (retryAfterMs?: number) =>
  new UpstreamError('auth_failed', {
    created: 'no',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

describe('a task', () => {
  it('waits for a place, and then for a permit', () => {
    const { state, world, change, permit, ready } = anAccount();
    world.placeReadyIn = undefined;
    expect(state.readyIn()).toBeUndefined();
    world.placeReadyIn = 20;
    expect([state.readyIn(), world.asked]).toEqual([20, 0]);
    world.placeReadyIn = 0;
    world.permitIn = Number.POSITIVE_INFINITY;
    expect([state.readyIn(), world.asked]).toEqual([undefined, 1]);
    world.permitIn = 7;
    expect(state.readyIn()).toBe(7);
    change();
    permit();
    expect(ready()).toBe(2);
  });

  it('takes a permit, and is about to take a place', () => {
    const { state, world, begun } = anAccount();
    state.take('t1');
    expect([world.taken, begun]).toEqual([1, ['t1']]);
  });

  it('goes to the account that is used least in relation to its places', () => {
    const { state, world } = anAccount();
    world.inFlight = 2;
    expect(state.load()).toBe(0.6);
    // Of two idle accounts, the one with more places.
    world.inFlight = 0;
    expect(anAccount({ limits: { inFlight: 10 } }).state.load()).toBeLessThan(state.load());
  });
});

describe('permits to submit', () => {
  it('are wanted for the tasks that wait, as far as there are places', () => {
    const { world, wanted } = anAccount();
    expect(wanted()).toBe(1);
    world.waiting = 10;
    expect(wanted()).toBe(5);
    world.inFlight = 3;
    expect(wanted()).toBe(2);
    world.inFlight = 6;
    expect(wanted()).toBe(0);
    // It is not known yet how many are taken, or a node does not count them.
    Object.assign(world, { inFlight: 0, placeReadyIn: undefined });
    expect(wanted()).toBe(0);
  });

  it('are not wanted without a task that waits, nor is it asked then whether there is a place', () => {
    const { world, wanted } = anAccount();
    world.waitingOfOther = 0;
    expect([wanted(), world.placeAsked]).toEqual([0, 0]);
  });

  it('are not asked for while the account backs off, and then for one task at a time', () => {
    const { state, world, wanted, pass } = anAccount();
    world.waiting = 10;
    state.take('t1');
    state.backOff(refusal(1000));
    expect([state.readyIn(), world.asked, wanted()]).toEqual([1000, 0, 0]);
    pass(1000);
    expect(wanted()).toBe(1);
    state.take('t2');
    expect(wanted()).toBe(0);
  });

  it('allow ten seconds’ worth at once, and polls a second’s worth, at least one', () => {
    const of = (limits: Partial<AccountLimits>) => ({ limits: { ...LIMITS, ...limits } }) as Account;
    expect(submitRate(of({ submitsPerMinute: 60 }))).toEqual({ perSecond: 1, burst: 10 });
    expect(submitRate(of({ submitsPerMinute: 10 })).burst).toBe(2);
    expect(submitRate(of({ submitsPerMinute: 0.1 })).burst).toBe(1);
    expect(pollRate(of({ pollsPerSecond: 2.5 }))).toEqual({ perSecond: 2.5, burst: 3 });
    expect(pollRate(of({ pollsPerSecond: 0.1 })).burst).toBe(1);
  });
});

describe('an account that refuses temporarily', () => {
  it('is not used for a time that doubles, up to a minute', () => {
    const { state, told, pass, timers } = anAccount();
    const waits = [];
    for (let n = 0; n < 8; n++) {
      state.take('t');
      state.backOff(refusal());
      const wait = state.readyIn() ?? 0;
      waits.push(wait);
      expect(state.trouble()).toEqual({ reason: 'rate_limited', retryAt: timers.now() + wait });
      pass(wait);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(told.map(({ failures, waitMs }) => [failures, waitMs]).slice(0, 2)).toEqual([
      [1, 1000],
      [2, 2000],
    ]);
  });

  it('is not used for as long as it says; of two such times the longer one counts', () => {
    const { state, pass, timers } = anAccount();
    state.backOff(refusal(30_000));
    expect(state.readyIn()).toBe(30_000);
    const until = timers.now() + 30_000;
    state.backOff(refusal(10_000));
    expect(state.readyIn()).toBe(30_000);
    expect(state.trouble()?.retryAt).toBe(until);
    pass(30_000);
    expect(state.readyIn()).toBe(0);
    expect(state.trouble()).toEqual({ reason: 'rate_limited', retryAt: undefined });
  });

  it('shows one end for two refusals that end together, however the wall clock is set in the meantime', () => {
    const { state, pass, timers } = anAccount();
    state.backOff(refusal(30_000));
    const until = timers.now() + 30_000;
    pass(10_000);
    timers.setWallClock(3_600_000);
    state.backOff(refusal(20_000));
    expect([state.readyIn(), state.trouble()?.retryAt]).toEqual([20_000, until]);
  });

  it('is not tried by all nodes at the same moment', () => {
    const least = anAccount({ random: 0 });
    least.state.backOff(refusal());
    const most = anAccount({ random: 1 });
    most.state.backOff(refusal());
    expect([least.state.readyIn(), most.state.readyIn()]).toEqual([750, 1250]);
  });

  it.each([
    ['works', 'worked'],
    ['was not tried', 'cancelSubmit'],
  ] as const)('is tried by one task, until the result of that task is known: it %s', (_what, how) => {
    const { state, ready, pass } = anAccount({ limits: { inFlight: 5 } });
    state.take('t');
    state.backOff(refusal(1000));
    pass(1000);
    expect([state.blocked(), state.readyIn()]).toEqual([true, 0]);
    state.take('t');
    expect(state.readyIn()).toBeUndefined();
    const before = ready();
    state[how]();
    expect(ready()).toBe(before + 1);
    expect([state.blocked(), state.readyIn()]).toEqual([how === 'cancelSubmit', 0]);
  });

  it('is unaffected by a task that was neither sent nor refused', () => {
    const { state } = anAccount({ limits: { inFlight: 5 } });
    state.cancelSubmit();
    state.worked();
    state.backOff(refusal(0));
    state.take('t');
    expect(state.readyIn()).toBeUndefined();
  });

  it('is tried at once by one task when an operator says so', () => {
    const { state, ready } = anAccount({ limits: { inFlight: 5 } });
    state.backOff(refusal(30_000));
    const before = ready();
    state.retry();
    expect(ready()).toBe(before + 1);
    expect(state.readyIn()).toBe(0);
    expect(state.trouble()).toEqual({ reason: 'rate_limited', retryAt: undefined });
    state.take('t');
    expect(state.readyIn()).toBeUndefined();
  });
});

describe('an account that an operator must fix', () => {
  it('is tried again every five minutes, or later if it says so, and never sooner', () => {
    const { state } = anAccount();
    state.backOff(broken(1000));
    expect(state.readyIn()).toBe(300_000);
    state.backOff(broken(900_000));
    expect(state.readyIn()).toBe(900_000);
  });
});

describe('an account with two submissions in flight', () => {
  it.each<[string, (state: ReturnType<typeof anAccount>['state']) => void]>([
    ['worked', (state) => state.worked()],
    ['was not sent', (state) => state.cancelSubmit()],
    ['was refused', (state) => state.backOff(refusal(0))],
  ])('of which one %s still waits for the other before it is probed again', (_how, end) => {
    const account = anAccount({ limits: { inFlight: 5 } });
    account.state.take('t');
    account.state.take('t');
    end(account.state);
    account.hear({ failures: 1, waitMs: 0 });
    expect(account.state.readyIn()).toBeUndefined();
    account.state.cancelSubmit();
    expect(account.state.readyIn()).toBe(0);
  });
});

describe('messages of nodes about an account', () => {
  it('report each refusal with its reason and message, and once that the account works', () => {
    const { state, told, ready } = anAccount();
    state.backOff(new UpstreamError('rate_limited', { created: 'no', retryAfterMs: 5, detail: 'slow down' }));
    state.worked();
    state.worked();
    expect(told).toEqual([
      { failures: 1, waitMs: 5, reason: 'rate_limited', error: 'slow down' },
      { failures: 0, waitMs: 0 },
    ]);
    expect(ready()).toBe(3);
  });

  it('apply here too: the larger number of failures and the longer wait', () => {
    const { state, hear, ready, told } = anAccount();
    hear({ failures: 3, waitMs: 20_000, reason: 'rate_limited' });
    expect([state.blocked(), state.readyIn(), ready()]).toEqual([true, 20_000, 1]);
    expect(state.trouble()).toMatchObject({ reason: 'rate_limited' });
    hear({ failures: 1, waitMs: 0, reason: 'no reason of ours' });
    expect(state.readyIn()).toBe(20_000);
    expect(state.trouble()?.reason).toBeUndefined();
    // Its own next failure is the fourth in a row.
    state.backOff(refusal());
    expect(told).toMatchObject([{ failures: 4, waitMs: 8000 }]);
  });

  it('may be only a wait, which delays tasks until it is over', () => {
    const { state, hear, pass } = anAccount({ limits: { inFlight: 5 } });
    hear({ failures: 0, waitMs: 500 });
    expect([state.blocked(), state.readyIn()]).toEqual([true, 500]);
    pass(500);
    expect([state.blocked(), state.trouble(), state.readyIn()]).toEqual([false, undefined, 0]);
    // No single task tries the account after it.
    state.take('t');
    expect(state.readyIn()).toBe(0);
  });

  it('that it works end the tries by single tasks', () => {
    const { state, hear } = anAccount();
    state.backOff(refusal(0));
    state.take('t');
    expect(state.readyIn()).toBeUndefined();
    hear({ failures: 0, waitMs: 0 });
    expect([state.blocked(), state.trouble(), state.readyIn()]).toEqual([false, undefined, 0]);
  });
});
