import { describe, expect, it } from 'vitest';
import { createAccountState } from '../../src/limits/account.ts';
import { type AccountShare, WHOLE_SHARES } from '../../src/limits/limits.ts';
import { createTokenBucket } from '../../src/limits/tokenBucket.ts';
import type { AccountLimits } from '../../src/providers/account.ts';
import { UpstreamError } from '../../src/providers/provider.ts';
import type { AccountTrouble } from '../../src/store/store.ts';
import { LIMITS } from '../support/engineParts.ts';
import { createManualTimers } from '../support/manualTimers.ts';
import { createRecordingProvider } from '../support/recordingProvider.ts';
import { createRecordingUpstream } from '../support/servers/recordingUpstream.ts';

/** An account of which this node has the part that the test says. */
function anAccount({ limits = {}, random = 0.5 }: { limits?: Partial<AccountLimits>; random?: number } = {}) {
  const timers = createManualTimers();
  const part = { places: limits.inFlight ?? 2, rate: 1 };
  const noted: string[] = [];
  const told: AccountTrouble[] = [];
  let changed = () => {};
  let troubled: (trouble: AccountTrouble) => void = () => {};
  let ready = 0;
  const share: AccountShare = {
    places: () => part.places,
    rate: () => part.rate,
    note: (happened) => void noted.push(happened),
    tell: (trouble) => void told.push(trouble),
    onChange(listener) {
      changed = listener;
    },
    onTrouble(listener) {
      troubled = listener;
    },
  };
  const account = {
    id: 'one',
    providerId: 'test',
    retiresModels: false,
    provider: createRecordingProvider({ upstream: createRecordingUpstream({}) }),
    limits: { ...LIMITS, inFlight: 2, ...limits },
  };
  const state = createAccountState(account, timers, share, () => random, timers);
  state.onReady(() => {
    ready += 1;
  });
  return {
    state,
    part,
    noted,
    told,
    timers,
    hear: (trouble: AccountTrouble) => troubled(trouble),
    change: () => changed(),
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

describe('the places of an account', () => {
  it('are taken up to this node’s part, also by running jobs that it finds beyond that', () => {
    const { state, part, noted } = anAccount();
    expect(state.readyIn()).toBe(0);
    state.take();
    state.occupy();
    expect([state.inUse, state.readyIn(), noted]).toEqual([2, undefined, []]);
    state.occupy();
    expect([state.inUse, noted]).toEqual([3, ['occupied']]);
    part.places = 4;
    expect(state.readyIn()).toBe(0);
  });

  it('that were taken beyond the part are not reused here: the other nodes are informed when they become free', () => {
    const { state, noted, ready } = anAccount();
    for (let n = 0; n < 4; n++) state.occupy();
    noted.length = 0;
    state.release();
    expect([state.readyIn(), noted]).toEqual([undefined, ['released']]);
    state.release();
    expect([state.readyIn(), noted]).toEqual([undefined, ['released', 'released']]);
    state.release();
    expect([state.readyIn(), noted]).toEqual([0, ['released', 'released']]);
    expect(ready()).toBe(3);
  });

  it('are compared relative to this node’s part', () => {
    const { state, part } = anAccount();
    state.take();
    expect(state.load()).toBe(0.5);
    part.places = 0;
    expect(state.load()).toBe(1);
  });

  it('are checked again when the part has changed', () => {
    const { change, ready } = anAccount();
    change();
    expect(ready()).toBe(1);
  });
});

describe('the submission rate of an account', () => {
  it('allows ten seconds’ worth at once, and then what the minute allows', () => {
    const { state, pass } = anAccount({ limits: { inFlight: 100, startsPerMinute: 60 } });
    for (let n = 0; n < 10; n++) {
      expect(state.readyIn()).toBe(0);
      state.take();
    }
    expect(state.readyIn()).toBe(1000);
    pass(999);
    expect(state.readyIn()).toBe(1);
    pass(1);
    expect(state.readyIn()).toBe(0);
  });

  it('allows nothing while this node has no part of the rate', () => {
    const { state, part } = anAccount({ limits: { inFlight: 100, startsPerMinute: 60 } });
    part.rate = 0;
    expect(state.readyIn()).toBeUndefined();
    part.rate = 1;
    expect(state.readyIn()).toBe(0);
  });
});

describe('an account that refuses temporarily', () => {
  it('is not used for a time that doubles, up to a minute', () => {
    const { state, told, pass, timers } = anAccount();
    const waits = [];
    for (let n = 0; n < 8; n++) {
      state.take();
      state.backOff(refusal());
      const wait = state.readyIn() ?? 0;
      waits.push(wait);
      expect(state.trouble()).toEqual({ reason: 'rate_limited', retryAt: timers.now() + wait });
      state.release();
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
    ['was not tried', 'cancelStart'],
  ] as const)('is tried by one task, until the result of that task is known: it %s', (_what, how) => {
    const { state, ready, pass } = anAccount({ limits: { inFlight: 5 } });
    state.take();
    state.backOff(refusal(1000));
    pass(1000);
    expect([state.blocked(), state.readyIn()]).toEqual([true, 0]);
    state.take();
    expect(state.readyIn()).toBeUndefined();
    const before = ready();
    state[how]();
    expect(ready()).toBe(before + 1);
    expect([state.blocked(), state.readyIn()]).toEqual([how === 'cancelStart', 0]);
  });

  it('is unaffected by a task that was neither sent nor refused', () => {
    const { state } = anAccount({ limits: { inFlight: 5 } });
    state.cancelStart();
    state.worked();
    state.backOff(refusal(0));
    state.take();
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
    state.take();
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
    ['was not sent', (state) => state.cancelStart()],
    ['was refused', (state) => state.backOff(refusal(0))],
  ])('of which one %s still waits for the other before it is probed again', (_how, end) => {
    const account = anAccount({ limits: { inFlight: 5 } });
    account.state.take();
    account.state.take();
    end(account.state);
    account.hear({ failures: 1, waitMs: 0 });
    expect(account.state.readyIn()).toBeUndefined();
    account.state.cancelStart();
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
    state.take();
    expect(state.readyIn()).toBe(0);
  });

  it('that it works end the tries by single tasks', () => {
    const { state, hear } = anAccount();
    state.backOff(refusal(0));
    state.take();
    expect(state.readyIn()).toBeUndefined();
    hear({ failures: 0, waitMs: 0 });
    expect([state.blocked(), state.trouble(), state.readyIn()]).toEqual([false, undefined, 0]);
  });
});

describe('a single node', () => {
  it('has all of every account', () => {
    const { state } = anAccount({ limits: { inFlight: 7 } });
    const share = WHOLE_SHARES.of(state.account, () => ({ inUse: 0, waiting: 0 }));
    expect([share.places(), share.rate()]).toEqual([7, 1]);
    const rates = WHOLE_SHARES.rates('one');
    expect([rates.rate(), rates.turnIn(1000, 30)]).toEqual([1, 30]);
  });
});

describe('a rate', () => {
  it('allows a second’s worth at once, and at least one call', () => {
    const timers = createManualTimers();
    for (const [perSecond, burst] of [
      [0.5, 1],
      [3, 3],
    ] as const) {
      const bucket = createTokenBucket(perSecond, timers);
      for (let n = 0; n < burst; n++) {
        expect(bucket.readyIn()).toBe(0);
        bucket.take();
      }
      expect(bucket.readyIn()).toBeCloseTo(1000 / perSecond, 6);
    }
  });
});
