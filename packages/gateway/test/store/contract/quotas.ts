import { describe, expect, it } from 'vitest';
import type { Counted, CountedLimits, Quota } from '../../../src/tasks/quota.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aKey, anAcceptance, aTask, PRICE, START_OF_TIME } from '../../support/builders.ts';
import type { StoreWithLedger } from '../../support/ledger.ts';
import { accepted, FAILED, moved, SHORT, storing } from './steps.ts';

export const quotaOf = (project: CountedLimits, key: CountedLimits = {}): Quota => ({
  project,
  key,
  currency: 'USD',
});
const MANY = quotaOf({ monthlyBudgetMicros: 1e12 });
const PROJECT: Counted = { projectId: 'project' };
const KEY: Counted = { projectId: 'project', keyId: 'key' };
const HOLD = PRICE.holdMicros;
const IDEMPOTENCY = { key: 'k', bodyHash: 'h', expiresAt: START_OF_TIME + 1000 };

const over = (period: string, subject: string, amount: number) => ({
  outcome: 'over_limit',
  counter: { subject, period, currency: period === 'in_flight' ? '' : 'USD' },
  amount,
});

const use = (store: StoreWithLedger, counted = PROJECT, at = START_OF_TIME) =>
  store.quotaUse(counted, at, 'USD');
const tryOut = (store: StoreWithLedger, quota: Quota, changes: Partial<Task> = {}) =>
  store.accept(anAcceptance(aTask(changes), { quota }));

/** Limits of projects and keys, which are counted where tasks are accepted. */
export function describeQuotas(name: string, open: () => Promise<StoreWithLedger>): void {
  describe(`${name}: limits of projects and keys`, () => {
    it.each<[string, CountedLimits, string]>([
      ['of a day', { dailyBudgetMicros: 2.5 * HOLD }, '2026-09-21'],
      ['of a month', { monthlyBudgetMicros: 2.5 * HOLD }, '2026-09'],
      ['of unfinished tasks', { tasksInFlight: 2 }, 'in_flight'],
    ])('refuses what does not fit into a limit %s, and writes nothing of it', async (_of, limits, period) => {
      const store = await open();
      for (const [subject, quota] of [
        ['project:project', quotaOf(limits)],
        ['key:other', quotaOf({}, limits)],
      ] as const) {
        const own = subject === 'key:other' ? { projectId: 'second', keyId: 'other' } : {};
        await Promise.all([tryOut(store, quota, own), tryOut(store, quota, own)]);
        const task = aTask(own);
        const given = anAcceptance(task, { quota, idempotency: IDEMPOTENCY });
        expect(await store.accept(given)).toEqual(
          over(period, subject, period === 'in_flight' ? 2 : 2 * HOLD),
        );
        expect(await store.task(task.id)).toBeUndefined();
        expect(await store.ledger(task.id)).toEqual([]);
        expect(await use(store, task)).toMatchObject({ tasksInFlight: 2, dayMicros: 2 * HOLD });
        // Its idempotency key is free for the next try.
        expect(await store.accept(anAcceptance(aTask(own), { idempotency: IDEMPOTENCY }))).toEqual({
          outcome: 'accepted',
        });
      }
    });

    it('gives back what a task did not cost when it ends, once', async () => {
      const store = await open();
      const quota = quotaOf({ dailyBudgetMicros: 2 * HOLD, tasksInFlight: 2 });
      const [paid, failed] = [await storing(store, { quota }), await accepted(store, {}, { quota })];
      expect(await use(store)).toEqual({ tasksInFlight: 2, dayMicros: 2 * HOLD, monthMicros: 2 * HOLD });
      expect(await tryOut(store, quota)).toMatchObject({ outcome: 'over_limit' });
      const ends = [moved(paid, SHORT), moved(failed, FAILED)];
      for (const end of [...ends, ...ends]) await store.commit(end);
      const cost = ends[0]?.task.result?.costMicros ?? 0;
      expect(cost).toBeLessThan(HOLD);
      const left = { tasksInFlight: 0, dayMicros: cost, monthMicros: cost };
      expect([await use(store), await use(store, KEY)]).toEqual([left, left]);
      expect(await store.recountQuotas(START_OF_TIME)).toEqual([]);
    });

    it('reserves once for a write that is repeated, and nothing for a replay', async () => {
      const store = await open();
      const quota = quotaOf({ tasksInFlight: 1, dailyBudgetMicros: HOLD });
      const acceptance = anAcceptance(aTask(), { quota, idempotency: IDEMPOTENCY });
      for (let time = 0; time < 2; time++)
        expect(await store.accept(acceptance)).toEqual({ outcome: 'accepted' });
      const again = anAcceptance(aTask(), { quota, idempotency: IDEMPOTENCY });
      expect(await store.accept(again)).toMatchObject({ outcome: 'replayed' });
      const other = { ...IDEMPOTENCY, bodyHash: 'another' };
      expect(await store.accept({ ...again, idempotency: other })).toEqual({ outcome: 'conflict' });
      expect(await use(store)).toEqual({ tasksInFlight: 1, dayMicros: HOLD, monthMicros: HOLD });
    });

    it('counts what was there before the first limit', async () => {
      const store = await open();
      const task = await accepted(store);
      await accepted(store, { keyId: 'another' });
      await accepted(store, { projectId: 'another' });
      const quota = quotaOf({}, { tasksInFlight: 1 });
      expect(await tryOut(store, quota)).toEqual(over('in_flight', 'key:key', 1));
      await store.commit(moved(task, FAILED));
      expect(await tryOut(store, quota)).toEqual({ outcome: 'accepted' });
      const budget = quotaOf({ dailyBudgetMicros: 2 * HOLD });
      expect(await tryOut(store, budget)).toEqual(over('2026-09-21', 'project:project', 2 * HOLD));
    });

    it('counts a key together with those that it was rotated to', async () => {
      const store = await open();
      const audit = { at: START_OF_TIME, actor: 'cli', action: 'key.created', subject: 'key' };
      for (const key of [aKey({ id: 'old' }), aKey({ id: 'new', family: 'old' })])
        await store.putKey(key, audit);
      const quota = quotaOf({}, { tasksInFlight: 2 });
      const earlier = await accepted(store, { keyId: 'new' });
      expect(await tryOut(store, quota, { keyId: 'old' })).toEqual({ outcome: 'accepted' });
      for (const keyId of ['new', 'old'])
        expect(await tryOut(store, quota, { keyId })).toEqual(over('in_flight', 'key:old', 2));
      await store.commit(moved(earlier, FAILED));
      expect(await tryOut(store, quota, { keyId: 'new' })).toEqual({ outcome: 'accepted' });
      expect(await use(store, { projectId: 'project', keyId: 'old' })).toMatchObject({ tasksInFlight: 2 });
      expect(await store.recountQuotas(START_OF_TIME)).toEqual([]);
    });

    it('goes on counting tasks of a node that does not know of the limit yet', async () => {
      const store = await open();
      await tryOut(store, MANY);
      await Promise.all([accepted(store), accepted(store)]);
      expect(await tryOut(store, quotaOf({ tasksInFlight: 3 }))).toEqual(
        over('in_flight', 'project:project', 3),
      );
    });

    it('counts a charge in the UTC day and month of its hold', async () => {
      const store = await open();
      const midnight = Date.UTC(2026, 9, 1);
      const quota = quotaOf({ dailyBudgetMicros: HOLD, monthlyBudgetMicros: HOLD });
      const [before, after] = [aTask({ createdAt: midnight - 1 }), aTask({ createdAt: midnight })];
      for (const task of [before, after])
        expect(await store.accept(anAcceptance(task, { quota }))).toEqual({ outcome: 'accepted' });
      const late = { createdAt: midnight - 1 };
      expect(await tryOut(store, quota, late)).toEqual(over('2026-09', 'project:project', HOLD));
      await store.commit(moved(before, FAILED, midnight + 1000));
      const left = { tasksInFlight: 1, dayMicros: HOLD, monthMicros: HOLD };
      expect(await use(store, PROJECT, midnight)).toEqual(left);
      expect(await tryOut(store, quota, late)).toEqual({ outcome: 'accepted' });
    });

    it('never adds amounts of different currencies, and takes nothing of a budget for what is free', async () => {
      const store = await open();
      const quota = quotaOf({ dailyBudgetMicros: HOLD });
      await tryOut(store, quota, { price: { ...PRICE, currency: 'EUR' } });
      await tryOut(store, quota, { price: { ...PRICE, holdMicros: 0 } });
      expect(await use(store)).toEqual({ tasksInFlight: 2, dayMicros: 0, monthMicros: 0 });
      expect(await tryOut(store, quota)).toEqual({ outcome: 'accepted' });
      const free = { price: { ...PRICE, holdMicros: 0 } };
      expect(await tryOut(store, quota, free)).toEqual({ outcome: 'accepted' });
      expect(await use(store)).toEqual({ tasksInFlight: 4, dayMicros: HOLD, monthMicros: HOLD });
    });

    it('accepts of many at once as many as fit, in their order', async () => {
      const store = await open();
      await tryOut(store, MANY);
      const quota = quotaOf({ dailyBudgetMicros: 10 * HOLD, tasksInFlight: 100 });
      const prices = [4, 4, 2, 1, 1, 1].map((times) => ({ ...PRICE, holdMicros: times * HOLD }));
      const outcomes = await Promise.all(prices.map((price) => tryOut(store, quota, { price })));
      const fits = outcomes.map(({ outcome }) => outcome === 'accepted');
      // A tenth was used before.
      expect(fits).toEqual([true, true, false, true, false, false]);
      expect((await use(store)).dayMicros).toBe(10 * HOLD);
    });

    it('keeps to its counters when the rows of finished tasks are gone', async () => {
      const store = await open();
      const task = await storing(store, { quota: MANY });
      const end = moved(task, SHORT);
      await store.commit(end);
      const before = await use(store);
      await store.summariseLedger({ ids: [task.id], now: START_OF_TIME + 10_000, keepMs: 1 });
      expect(await store.ledger(task.id)).toEqual([]);
      expect(await store.recountQuotas(START_OF_TIME)).toEqual([]);
      // A limit that is set later finds what they cost in the sums.
      expect(await use(store, KEY)).toEqual(before);
    });

    it('counts sums in the period of their holds, so that a release of the next month leaves no more of its budget', async () => {
      const store = await open();
      const midnight = Date.UTC(2026, 9, 1);
      const task = aTask({ createdAt: midnight - 1 });
      await store.accept(anAcceptance(task));
      await store.commit(moved(task, FAILED, midnight + 1000));
      await store.summariseLedger({ ids: [task.id], now: midnight + 10_000, keepMs: 1 });
      expect(await store.ledger(task.id)).toEqual([]);
      const quota = quotaOf({ dailyBudgetMicros: HOLD, monthlyBudgetMicros: HOLD });
      const next = { createdAt: midnight + 20_000 };
      expect(await use(store, PROJECT, midnight)).toMatchObject({ dayMicros: 0, monthMicros: 0 });
      expect(await tryOut(store, quota, next)).toEqual({ outcome: 'accepted' });
      expect(await tryOut(store, quota, next)).toMatchObject({ outcome: 'over_limit', amount: HOLD });
      expect(await use(store, PROJECT, midnight - 1)).toMatchObject({ dayMicros: 0, monthMicros: 0 });
    });

    it('removes counters of periods that are long over', async () => {
      const store = await open();
      await tryOut(store, MANY);
      const year = 365 * 86_400_000;
      expect(await store.recountQuotas(START_OF_TIME + year)).toEqual([]);
      expect(await use(store)).toEqual({ tasksInFlight: 1, dayMicros: HOLD, monthMicros: HOLD });
      const quota = quotaOf({ dailyBudgetMicros: HOLD });
      expect(await tryOut(store, quota)).toMatchObject({ outcome: 'over_limit' });
    });
  });
}
