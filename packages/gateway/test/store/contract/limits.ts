import { describe, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { type Event, LINGER_MS } from '../../../src/tasks/lifecycle.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { AttemptOutcome } from '../../../src/tasks/task.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { accepted, INTENT, intended, moved } from './steps.ts';

const NOW = START_OF_TIME + 1000;
/** How long a test may take between two reads of a clock. Milliseconds. */
const SLACK_MS = 30_000;

const failed = (outcome: AttemptOutcome): Event => ({
  type: 'failed',
  error: taskError('upstream_failed', 'words'),
  outcome,
});

/** What a store knows about the limits of accounts. */
export function describeLimits(name: string, open: () => Promise<Store>): void {
  describe(`${name}: an intent to submit`, () => {
    it('is written if no other driver was faster', async () => {
      const store = await open();
      const intent = moved(await accepted(store), INTENT);
      expect(await store.intend(intent, 1)).toBe('written');
      expect(await store.task(intent.task.id)).toStrictEqual(intent.task);
      expect(await store.intend(intent, 1)).toBe('lost');
    });
  });

  describe(`${name}: the place of an attempt`, () => {
    it('lingers until its bound if the end of the job was not learnt', async () => {
      const store = await open();
      const expired = moved(await intended(store, { accountId: 'one' }), failed('expired'), NOW);
      const unknown = moved(await intended(store, { accountId: 'two' }), failed('unknown'), NOW + 1);
      const refused = moved(await intended(store), failed('refused'), NOW);
      for (const ended of [expired, unknown, refused]) expect(await store.commit(ended)).toBe(true);
      expect(await store.task(expired.task.id)).toStrictEqual(expired.task);
      const [one, two] = [
        { account: 'one', taskId: expired.task.id, until: NOW + LINGER_MS },
        { account: 'two', taskId: unknown.task.id, until: NOW + 1 + LINGER_MS },
      ];
      const lingering = async (now: number) =>
        (await store.lingeringPlaces(now)).toSorted((a, b) => a.account.localeCompare(b.account));
      expect(await lingering(NOW)).toEqual([one, two]);
      expect(await lingering(NOW + LINGER_MS)).toEqual([two]);
      expect(await lingering(NOW + LINGER_MS + 1)).toEqual([]);
    });

    it('lingers no more once the end is learnt, and a bound is never raised', async () => {
      const store = await open();
      const expired = moved(await intended(store), failed('expired'), NOW);
      const ended = moved(expired.task, { type: 'ended_late' }, NOW + 5);
      const deleted = moved(ended.task, { type: 'deleted' });
      // A driver that has not learnt of the end.
      const stale = { ...deleted, task: { ...expired.task, version: deleted.task.version } };
      for (const made of [expired, ended, stale]) expect(await store.commit(made)).toBe(true);
      expect((await store.task(expired.task.id))?.attempt?.placeUntil).toBe(NOW + 5);
      expect(await store.lingeringPlaces(NOW + 5)).toEqual([]);
    });
  });

  describe(`${name}: the trouble of an account`, () => {
    it('is stored, with how long the account is still blocked', async () => {
      const store = await open();
      expect(await store.troubles(['one'])).toEqual([]);
      await store.reportTrouble('one', {
        failures: 2,
        waitMs: 60_000.5,
        reason: 'rate_limited',
        error: 'slow',
      });
      const [trouble] = await store.troubles(['one', 'two']);
      expect(trouble).toMatchObject({ account: 'one', failures: 2, reason: 'rate_limited', revision: 1 });
      expect(trouble?.waitMs).toBeGreaterThan(60_001 - SLACK_MS);
      // The end of the block is stored in whole milliseconds, rounded up.
      expect(trouble?.waitMs).toBeLessThan(60_000.5 + 1);
      expect(await store.accounts()).toMatchObject([{ account: 'one', failures: 2, error: 'slow' }]);
    });

    it('is replaced by the next report; its first time and last error stay while it lasts', async () => {
      const store = await open();
      const listed = async () => (await store.accounts())[0];
      await store.reportTrouble('one', { failures: 1, waitMs: 0, reason: 'rate_limited', error: 'slow' });
      const first = await listed();
      expect(first).toMatchObject({ failedSince: expect.any(Number), blockedUntil: 0 });
      await store.reportTrouble('one', { failures: 2, waitMs: 0 });
      expect(await listed()).toMatchObject({ failures: 2, error: 'slow', failedSince: first?.failedSince });
      expect(await listed()).not.toHaveProperty('reason');
      await store.reportTrouble('one', { failures: 0, waitMs: 0 });
      expect(await listed()).not.toHaveProperty('failedSince');
      expect(await store.troubles(['one'])).toEqual([
        { account: 'one', failures: 0, waitMs: 0, revision: 3, reason: undefined },
      ]);
    });

    it('can be retried at once', async () => {
      const store = await open();
      await store.reportTrouble('one', { failures: 1, waitMs: 60_000 });
      const audit = { at: NOW, actor: 'cli', action: 'account.retry', subject: newId() };
      expect(await store.retryAccount('one', audit)).toBe(true);
      expect(await store.troubles(['one'])).toMatchObject([{ failures: 1, waitMs: 0, revision: 2 }]);
    });
  });
}
