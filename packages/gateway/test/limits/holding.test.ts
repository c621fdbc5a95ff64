import { describe, expect, it } from 'vitest';
import { createHolding } from '../../src/limits/holding.ts';
import type { AccountGrant } from '../../src/store/store.ts';

const granted = (changes: Partial<AccountGrant>): AccountGrant => ({
  account: 'one',
  places: 0,
  fairPlaces: 0,
  rate: 0,
  fairRate: 0,
  rateBefore: 0,
  at: 0,
  lacking: false,
  wanted: false,
  failures: 0,
  waitMs: 0,
  reason: undefined,
  revision: 0,
  ...changes,
});

/** A node's part of an account of twenty places, as last granted. */
function holdingOf(changes: Partial<AccountGrant> = {}) {
  const holding = createHolding('one', 20);
  holding.granted(granted(changes));
  return holding;
}
const TEN = { places: 10, fairPlaces: 10, rate: 500_000, fairRate: 500_000 };

describe('a node’s part of an account', () => {
  it('is nothing before the first grant', () => {
    const holding = createHolding('one', 20);
    expect([holding.places(), holding.rate(), holding.lastGrant]).toEqual([0, 0, undefined]);
    expect([holding.gaveBack, holding.hasTrouble]).toEqual([false, false]);
    expect(holding.report({ inUse: 0, waiting: 3 }, 0)).toEqual({
      account: 'one',
      limit: 20,
      places: 0,
      rate: 0,
      inUse: 0,
      waiting: 3,
      generation: 0,
    });
  });

  it('is used up to its fair part, and never beyond what the node holds', () => {
    const holding = holdingOf({ places: 10, fairPlaces: 4, rate: 900_000, fairRate: 300_000 });
    expect([holding.places(), holding.rate()]).toEqual([4, 300_000]);
    const other = holdingOf({ places: 4, fairPlaces: 10, rate: 300_000, fairRate: 900_000 });
    expect([other.places(), other.rate()]).toEqual([4, 300_000]);
  });

  it('is returned with the next report as far as it is free, and kept as far as it is in use', () => {
    const holding = holdingOf({ places: 10, fairPlaces: 4, rate: 900_000, fairRate: 300_000 });
    expect(holding.report({ inUse: 7, waiting: 0 }, 0)).toMatchObject({ places: 7, rate: 300_000 });
    expect(holding.gaveBack).toBe(true);
    expect(holding.report({ inUse: 2, waiting: 0 }, 0)).toMatchObject({ places: 4, rate: 300_000 });
    expect(holding.report({ inUse: 2, waiting: 0 }, 0)).toMatchObject({ places: 4, rate: 300_000 });
    expect(holding.gaveBack).toBe(false);
  });

  it('does not grow by adopted tasks beyond it: this node may not keep those places', () => {
    const holding = holdingOf(TEN);
    expect(holding.report({ inUse: 15, waiting: 0 }, 0)).toMatchObject({ places: 10, inUse: 15 });
    expect(holding.places()).toBe(10);
  });

  it('shrinks from the moment of the report, even if the answer is lost', () => {
    const holding = holdingOf({ ...TEN, fairPlaces: 4 });
    holding.report({ inUse: 0, waiting: 0 }, 0);
    holding.lost();
    expect(holding.places()).toBe(4);
    // The previous answer may arrive later: the next one is newer.
    expect(holding.report({ inUse: 0, waiting: 0 }, 0).generation).toBe(1);
    expect(holding.report({ inUse: 0, waiting: 0 }, 0).generation).toBe(1);
  });

  it('is lost with the lease', () => {
    const holding = holdingOf(TEN);
    holding.report({ inUse: 3, waiting: 0 }, 0);
    holding.forfeit();
    expect([holding.places(), holding.rate()]).toEqual([0, 0]);
    expect([holding.lastReport, holding.lastGrant]).toEqual([undefined, undefined]);
    expect(holding.report({ inUse: 3, waiting: 0 }, 0)).toMatchObject({ places: 0, rate: 0, inUse: 3 });
  });
});

describe('a grant', () => {
  it('is a change if places or rate differ from before', () => {
    const holding = createHolding('one', 20);
    expect(holding.granted(granted(TEN))).toBe(true);
    expect(holding.granted(granted(TEN))).toBe(false);
    expect(holding.granted(granted({ ...TEN, places: 12 }))).toBe(false);
    expect(holding.granted(granted({ ...TEN, fairPlaces: 9 }))).toBe(true);
    expect(holding.granted(granted({ ...TEN, fairPlaces: 9, fairRate: 400_000 }))).toBe(true);
  });

  it.each([
    ['just its part', {}, 0, false, true],
    ['a place beyond it', { fairPlaces: 9 }, 0, true, false],
    ['a place beyond it that is in use', { fairPlaces: 9 }, 10, false, true],
    ['one of two such places in use', { fairPlaces: 8 }, 9, true, false],
    ['less than its part', { fairPlaces: 11 }, 0, false, false],
    ['a little of the rate beyond it', { fairRate: 460_000 }, 0, false, false],
    ['a tenth of the rate beyond it', { fairRate: 450_000 }, 0, false, false],
    ['much of the rate beyond it', { fairRate: 440_000 }, 0, true, false],
    ['less of the rate', { fairRate: 600_000 }, 0, false, false],
  ])('of %s', (_what, changes, inUse, hasSpare, isSettled) => {
    const holding = holdingOf({ ...TEN, ...changes });
    expect([holding.hasSpare(inUse), holding.isSettled(inUse)]).toEqual([hasSpare, isSettled]);
  });

  it.each([
    ['a little', 460_000, false],
    ['a tenth', 450_000, false],
    ['much', 440_000, true],
  ])('of a rate that falls by %s is worth a message, or not', (_what, fairRate, worth) => {
    const holding = holdingOf({ ...TEN, fairRate });
    holding.report({ inUse: 10, waiting: 0 }, 0);
    expect(holding.gaveBack).toBe(worth);
  });
});

describe('a report of an account’s trouble', () => {
  const trouble = { failures: 1, waitMs: 5000, reason: 'rate_limited' };

  it('is sent with the next report, with the remaining wait', () => {
    const holding = holdingOf(TEN);
    expect(holding.report({ inUse: 0, waiting: 0 }, 0).trouble).toBeUndefined();
    holding.attachTrouble(trouble, 1000);
    expect(holding.hasTrouble).toBe(true);
    expect(holding.report({ inUse: 0, waiting: 0 }, 3000).trouble).toEqual({ ...trouble, waitMs: 3000 });
    expect(holding.report({ inUse: 0, waiting: 0 }, 9000).trouble).toEqual({ ...trouble, waitMs: 0 });
  });

  it('is repeated until it was received, and what came in between is sent next', () => {
    const holding = holdingOf(TEN);
    holding.attachTrouble(trouble, 0);
    holding.report({ inUse: 0, waiting: 0 }, 0);
    holding.lost();
    expect(holding.hasTrouble).toBe(true);
    holding.report({ inUse: 0, waiting: 0 }, 0);
    holding.attachTrouble({ failures: 0, waitMs: 0 }, 0);
    holding.granted(granted(TEN));
    expect(holding.hasTrouble).toBe(true);
    expect(holding.report({ inUse: 0, waiting: 0 }, 0).trouble).toEqual({ failures: 0, waitMs: 0 });
    holding.granted(granted(TEN));
    expect(holding.hasTrouble).toBe(false);
  });
});
