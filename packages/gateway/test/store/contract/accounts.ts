import { describe, expect, it } from 'vitest';
import type { AuditRow } from '../../../src/store/projects.ts';
import type { AccountTrouble, Store } from '../../../src/store/store.ts';
import { newId } from '../../../src/tasks/ids.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import { aKey, START_OF_TIME } from '../../support/builders.ts';
import { accepted, INTENT, intended, moved } from './steps.ts';

/** A store, a living node of it, and direct access to its rows. */
export interface OpenedForNode {
  readonly store: Store;
  readonly node: string;
  read(sql: string): Promise<readonly object[]>;
}

/** How long a test may take between two reads of a clock. Milliseconds. */
const SLACK_MS = 30_000;

const TROUBLE = { failures: 2, waitMs: 60_000.5, reason: 'rate_limited', error: 'slow down' };

/** The stored state of upstream accounts. */
export function describeAccounts(name: string, open: () => Promise<OpenedForNode>): void {
  describe(`${name}: an account`, () => {
    it('without tasks or failures is not listed', async () => {
      const { store } = await open();
      expect(await store.accounts()).toEqual([]);
    });

    it('is listed with its unfinished upstream tasks, counted by their latest attempts', async () => {
      const { store } = await open();
      await accepted(store);
      await intended(store, { accountId: 'b' });
      await intended(store, { accountId: 'a' });
      const confirm = async (accountId: string) => {
        const working = { type: 'submit_confirmed', upstreamId: newId(), working: true } as const;
        const running = moved(await intended(store, { accountId }), working);
        expect(await store.commit(running)).toBe(true);
        return running.task;
      };
      await confirm('b');
      const stored = moved(await confirm('c'), { type: 'upstream_succeeded', result: { ref: 'there' } });
      const refused = moved(await intended(store, { accountId: 'c' }), { type: 'submit_refused' });
      const again = moved(refused.task, { ...INTENT, accountId: 'a', idempotencyKey: newId() });
      const error = taskError('cancelled', 'cancelled');
      const failed = moved(await intended(store, { accountId: 'c' }), {
        type: 'failed',
        error,
        outcome: 'cancelled',
      });
      for (const step of [stored, refused, again, failed]) expect(await store.commit(step)).toBe(true);
      expect(await store.accounts()).toEqual([
        { account: 'a', failures: 0, blockedUntil: 0, inFlight: 2 },
        { account: 'b', failures: 0, blockedUntil: 0, inFlight: 2 },
      ]);
    });

    it('keeps nothing of what it said of the attempts of a task that was deleted', async () => {
      const { store, read } = await open();
      const failed = {
        type: 'failed',
        error: taskError('upstream_failed', 'said'),
        outcome: 'failed',
      } as const;
      let task = await intended(store, { accountId: 'one' });
      const other = moved(await intended(store), { type: 'submit_refused', detail: 'of another task' });
      expect(await store.commit(other)).toBe(true);
      for (const event of [
        { type: 'submit_refused', detail: 'first' },
        { ...INTENT, idempotencyKey: newId() },
        { ...failed, detail: 'second' },
        { type: 'deleted' },
      ] as const) {
        const step = moved(task, event);
        expect(await store.commit(step)).toBe(true);
        task = step.task;
      }
      expect(await store.task(task.id)).toStrictEqual(task);
      expect(await read('select detail from attempts order by detail is null')).toEqual([
        { detail: 'of another task' },
        { detail: null },
        { detail: null },
      ]);
    });

    it('that backs off is known as such, alone and in the list', async () => {
      const { store } = await open();
      await intended(store, { accountId: 'one' });
      const before = Date.now();
      await store.reportTrouble('one', TROUBLE);
      const { error } = TROUBLE;
      const troubles = await store.troubles(['one', 'two']);
      expect(troubles).toMatchObject([{ account: 'one', failures: 2, reason: 'rate_limited', revision: 1 }]);
      expect(troubles[0]?.waitMs).toBeGreaterThan(60_001 - SLACK_MS);
      // The end of the block is stored in whole milliseconds, rounded up.
      expect(troubles[0]?.waitMs).toBeLessThan(TROUBLE.waitMs + 1);
      expect(await store.troubles(['two'])).toEqual([]);

      const [row, ...others] = await store.accounts();
      expect(others).toEqual([]);
      expect(row).toMatchObject({ account: 'one', failures: 2, reason: 'rate_limited', error, inFlight: 1 });
      expect(Math.abs((row?.blockedUntil ?? 0) - before - 60_000)).toBeLessThan(SLACK_MS);
      expect(Math.abs((row?.failedSince ?? 0) - before)).toBeLessThan(SLACK_MS);
    });

    it('keeps the time of its first failure in a row, and the last error', async () => {
      const { store } = await open();
      const report = async (trouble: AccountTrouble) => {
        await store.reportTrouble('one', trouble);
        const [stored] = await store.troubles(['one']);
        const row = (await store.accounts()).find(({ account }) => account === 'one');
        return { stored, row };
      };
      const first = await report({ failures: 1, waitMs: 0, reason: 'rate_limited', error: 'slow down' });
      expect(first.row).toMatchObject({ failures: 1, blockedUntil: 0, reason: 'rate_limited' });
      const second = await report({ failures: 2, waitMs: 90_000 });
      expect(second.row).toMatchObject({
        failures: 2,
        error: 'slow down',
        failedSince: first.row?.failedSince,
      });
      expect(second.row).not.toHaveProperty('reason');
      expect(second.stored).toMatchObject({ failures: 2, revision: 2, reason: undefined });
      const works = await report({ failures: 0, waitMs: 0 });
      expect(works.stored).toMatchObject({ failures: 0, revision: 3 });
      expect(works.row).toMatchObject({ failures: 0, error: 'slow down' });
      expect(works.row).not.toHaveProperty('failedSince');
      const later = await report({ failures: 1, waitMs: 1, error: 'no' });
      expect(later.row).toMatchObject({ failures: 1, error: 'no', failedSince: expect.any(Number) });
    });

    it('can be retried at once if it backs off', async () => {
      const { store } = await open();
      const audit = { at: START_OF_TIME, actor: 'cli', action: 'account.retry', subject: 'one' };
      expect(await store.retryAccount('one', audit)).toBe(false);
      await store.reportTrouble('one', TROUBLE);
      await store.reportTrouble('two', TROUBLE);
      expect(await store.retryAccount('one', audit)).toBe(true);
      const [one, two] = await store.accounts();
      expect(one).toMatchObject({ account: 'one', failures: 2, blockedUntil: 0, reason: 'rate_limited' });
      expect(two?.blockedUntil).toBeGreaterThan(0);
      expect((await store.troubles(['one']))[0]).toMatchObject({ failures: 2, waitMs: 0, revision: 2 });
      await store.reportTrouble('one', { failures: 0, waitMs: 0 });
      expect(await store.retryAccount('one', audit)).toBe(false);
      expect(await store.retryAccount('another', audit)).toBe(false);
    });
  });

  describe(`${name}: the audit log`, () => {
    let at = START_OF_TIME;
    const anAudit = (action: string, subject: string): AuditRow => ({
      at: ++at,
      actor: 'cli',
      action,
      subject,
    });
    const logOf = async ({ read }: OpenedForNode) =>
      (
        await read(
          `select at, actor, action, subject from audit where action <> 'project.created' order by at`,
        )
      ).map((row) => ({
        ...row,
        at: Number(Reflect.get(row, 'at')),
      }));

    it('has one row for each key created, revoked or restored, and none if nothing changed', async () => {
      const opened = await open();
      const { store } = opened;
      const key = aKey();
      const [made, revoked, restored] = ['create', 'revoke', 'restore'].map((what) =>
        anAudit(`key.${what}`, key.id),
      );
      if (!made || !revoked || !restored) throw new Error('there are no rows');
      await store.putKey(key, made);
      await expect(store.putKey(aKey({ hash: key.hash }), anAudit('key.create', 'twin'))).rejects.toThrow();
      await store.restoreKey(key.id, anAudit('key.restore', 'was not revoked'));
      await store.revokeKey(key.id, 7, revoked);
      await store.revokeKey(key.id, 8, anAudit('key.revoke', 'was revoked already'));
      await store.revokeKey('another', 8, anAudit('key.revoke', 'is none'));
      await store.restoreKey(key.id, restored);
      await store.restoreKey(key.id, anAudit('key.restore', 'was restored already'));
      await store.restoreKey('another', anAudit('key.restore', 'is none'));
      expect(await logOf(opened)).toEqual([made, revoked, restored]);
    });

    it('has no row for the last admin key that is kept, and one if it is forced', async () => {
      const opened = await open();
      const key = aKey({ scopes: ['admin'] });
      const made = anAudit('key.create', key.id);
      await opened.store.putKey(key, made);
      await opened.store.revokeKey(key.id, 7, anAudit('key.revoke', 'refused'));
      const forced = anAudit('key.revoke', key.id);
      await opened.store.revokeKey(key.id, 7, forced, { force: true });
      expect(await logOf(opened)).toEqual([made, forced]);
    });

    it('has one row for each retried account, and none if it did not back off', async () => {
      const opened = await open();
      const { store } = opened;
      await store.retryAccount('one', anAudit('account.retry', 'is not known'));
      await store.reportTrouble('one', TROUBLE);
      const tried = anAudit('account.retry', 'one');
      await store.retryAccount('one', tried);
      await store.reportTrouble('one', { failures: 0, waitMs: 0 });
      await store.retryAccount('one', anAudit('account.retry', 'works'));
      expect(await logOf(opened)).toEqual([tried]);
    });
  });
}
