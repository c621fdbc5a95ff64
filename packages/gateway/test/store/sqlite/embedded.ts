import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openSqliteStore, type SqliteOptions } from '../../../src/store/sqlite/store.ts';
import { aKey, anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';
import { ledgerInFolder, type StoreWithLedger } from '../../support/ledger.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { describeAccounts } from '../contract/accounts.ts';
import { describeBadRows } from '../contract/badRows.ts';
import { describeRetention } from '../contract/retention.ts';
import { describeStoreContract } from '../contract/store.ts';

export async function openStore(dir: string, options: Partial<SqliteOptions> = {}): Promise<StoreWithLedger> {
  const store = await openSqliteStore({ dir, exclusive: true, ...options });
  onTestFinished(() => store.close());
  return { ...store, ledger: async (taskId) => ledgerInFolder(dir, taskId) };
}

/** What every way to execute the operations of the embedded store must do. */
export function describeEmbedded(called: string, options: Partial<SqliteOptions>): void {
  describeStoreContract(called, async () => openStore(await tempFolder(), options));

  describeAccounts(called, async () => {
    const dir = await tempFolder();
    const store = await openStore(dir, options);
    const db = new Database(join(dir, 'onetake.db'), { readonly: true });
    onTestFinished(() => void db.close());
    return { store, node: 'solo', read: async (sql) => db.prepare<[], object>(sql).all() };
  });

  describeRetention(called, async () => {
    const dir = await tempFolder();
    const store = await openStore(dir, options);
    const db = new Database(join(dir, 'onetake.db'));
    onTestFinished(() => void db.close());
    return {
      store,
      run: async (sql) => void db.exec(sql),
      read: async (sql) => db.prepare<[], object>(sql).all(),
    };
  });

  describeBadRows(called, async (log) => {
    const dir = await tempFolder();
    const store = await openStore(dir, { ...options, log });
    const db = new Database(join(dir, 'onetake.db'));
    onTestFinished(() => void db.close());
    return { store, run: async (sql) => void db.exec(sql) };
  });

  describe(called, () => {
    describeGroupCommit(options);
    describeLocked(options);
    describeLostFolder(options);
    describeForeignChanges(options);
  });
}

function describeGroupCommit(how: Partial<SqliteOptions>): void {
  describe('group commit', () => {
    it('commits thousands of writes of one turn durably in one transaction', async () => {
      const dir = await tempFolder();
      const store = await openStore(dir, how);
      const before = await commitsInLog(dir);
      await Promise.all(Array.from({ length: 2000 }, () => store.accept(anAcceptance(aTask()))));
      expect((await commitsInLog(dir)) - before).toBe(1);
    });

    it('returns the correct results if SQLite rolls the whole group back', async () => {
      const dir = await tempFolder();
      const store = await openStore(dir, how);
      // As after a full disk: the error of one write rolls back the transaction.
      const saboteur = new Database(join(dir, 'onetake.db'));
      saboteur.exec(`create trigger sabotage before insert on tasks when new.project_id = 'sabotage'
        begin select raise(rollback, 'the disk is full'); end`);
      saboteur.close();

      const tasks = [aTask(), aTask({ projectId: 'sabotage' }), aTask()];
      const outcomes = await Promise.allSettled(tasks.map((task) => store.accept(anAcceptance(task))));
      for (const [index, task] of tasks.entries()) {
        expect((await store.task(task.id)) !== undefined).toBe(outcomes[index]?.status === 'fulfilled');
      }
      expect(outcomes[1]?.status).toBe('rejected');
      expect(await store.accept(anAcceptance(aTask()))).toEqual({ outcome: 'accepted' });
    });

    it('asks the caller to retry while the data cannot be written', async () => {
      const dir = await tempFolder();
      const store = await openStore(dir, how);
      const other = new Database(join(dir, 'onetake.db'));
      onTestFinished(() => void other.close());
      other.exec('alter table ledger rename to elsewhere');
      const task = aTask();
      await expect(store.accept(anAcceptance(task))).rejects.toMatchObject({
        code: 'store_unavailable',
        status: 503,
      });
      other.exec('alter table elsewhere rename to ledger');
      expect(await store.task(task.id)).toBeUndefined();
      expect(await store.accept(anAcceptance(task))).toEqual({ outcome: 'accepted' });
    });

    it('is not ready while the database is read-only', async () => {
      const dir = await tempFolder();
      const store = await openStore(dir, how);
      const other = new Database(join(dir, 'onetake.db'));
      onTestFinished(() => void other.close());
      await store.check();
      other.exec(`create trigger full before update on write_check begin select raise(abort, 'full'); end`);
      await expect(store.check()).rejects.toMatchObject({ status: expect.any(Number) });
      other.exec('drop trigger full');
      await store.check();
    });

    it('commits everything that was requested before the store is closed', async () => {
      const dir = await tempFolder();
      const store = await openSqliteStore({ dir, exclusive: true, ...how });
      const task = aTask();
      const accepting = store.accept(anAcceptance(task));
      await store.close();
      expect(await accepting).toEqual({ outcome: 'accepted' });
      expect(await (await openStore(dir, how)).task(task.id)).toStrictEqual(task);
    });
  });
}

function describeLocked(how: Partial<SqliteOptions>): void {
  describe('a database file that another process has locked', () => {
    async function lockedStore(options: Partial<SqliteOptions> = {}) {
      const dir = await tempFolder();
      const store = await openStore(dir, { ...how, ...options });
      const other = new Database(join(dir, 'onetake.db'));
      onTestFinished(() => void other.close());
      other.exec('begin immediate');
      return { store, other };
    }

    it('blocks no read and no timer, and gets the pending writes once it is free', async () => {
      const { store, other } = await lockedStore();
      const tasks = Array.from({ length: 50 }, () => aTask());
      let settled = 0;
      const accepting = tasks.map((task) =>
        store.accept(anAcceptance(task)).finally(() => {
          settled += 1;
        }),
      );
      const before = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await store.task(tasks[0]?.id ?? '')).toBeUndefined();
      // SQLite's own waiting would have taken seconds.
      expect(performance.now() - before).toBeLessThan(2000);
      expect(settled).toBe(0);
      other.exec('commit');
      expect(await Promise.all(accepting)).toEqual(tasks.map(() => ({ outcome: 'accepted' })));
    });

    it('is reported to callers after a while, to each write separately', async () => {
      const { store, other } = await lockedStore({ lockPatienceMs: 100 });
      const task = aTask();
      await expect(store.accept(anAcceptance(task))).rejects.toMatchObject({
        code: 'store_unavailable',
        status: 503,
        message: expect.stringContaining('locked by another process'),
        details: { retryAfterSeconds: 5 },
      });
      await expect(store.check()).rejects.toMatchObject({ message: expect.stringContaining('locked') });
      const late = store.accept(anAcceptance(task));
      other.exec('commit');
      expect(await late).toEqual({ outcome: 'accepted' });
    });
  });
}

function describeLostFolder(how: Partial<SqliteOptions>): void {
  describe('a data folder that disappears while a gateway runs', () => {
    async function running() {
      const dir = join(await tempFolder(), 'data');
      const store = await openStore(dir, how);
      await store.accept(anAcceptance(aTask()));
      return { dir, store };
    }
    const refused = {
      code: 'store_unavailable',
      status: 503,
      message: expect.stringContaining('removed, moved or replaced'),
    };

    it.each<[string, (dir: string) => Promise<void>]>([
      ['removed', (dir) => rm(dir, { recursive: true })],
      [
        'replaced by another one',
        async (dir) => {
          await rename(dir, `${dir}.before`);
          await (await openSqliteStore({ dir, exclusive: true, ...how })).close();
        },
      ],
      ['replaced by a file', (dir) => rm(dir, { recursive: true }).then(() => writeFile(dir, ''))],
      ['left without its log', (dir) => rm(join(dir, 'onetake.db-wal'))],
    ])('that was %s makes the gateway refuse what would be lost, with the reason', async (_what, take) => {
      const { dir, store } = await running();
      await take(dir);
      await expect(store.accept(anAcceptance(aTask()))).rejects.toMatchObject(refused);
      await expect(store.check()).rejects.toMatchObject(refused);
    });

    it('is used again once it is back', async () => {
      const { dir, store } = await running();
      await rename(dir, `${dir}.moved`);
      await expect(store.check()).rejects.toMatchObject(refused);
      await rename(`${dir}.moved`, dir);
      expect(await store.accept(anAcceptance(aTask()))).toEqual({ outcome: 'accepted' });
    });
  });
}

function describeForeignChanges(how: Partial<SqliteOptions>): void {
  describe('a change by another process', () => {
    it("is reported once, and never for the gateway's own writes", async () => {
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
      onTestFinished(() => void vi.useRealTimers());
      const dir = await tempFolder();
      const gateway = await openStore(dir, { ...how, foreignChangeMs: 100 });
      const commandLine = await openStore(dir, { exclusive: false });
      const listener = vi.fn();
      const unsubscribe = gateway.onExternalChange(listener);
      const pass = async () => {
        vi.advanceTimersByTime(300);
        // What was asked before this is answered before it.
        await gateway.check();
        await gateway.check();
      };

      await gateway.accept(anAcceptance(aTask()));
      await pass();
      expect(listener).not.toHaveBeenCalled();

      const audit = { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: 'key' };
      await commandLine.putKey(aKey(), audit);
      await pass();
      expect(listener).toHaveBeenCalledTimes(1);

      unsubscribe();
      await commandLine.putKey(aKey(), audit);
      await pass();
      expect(listener).toHaveBeenCalledTimes(1);
    });
  });
}

/** Length of the log's own header and of each frame's, in bytes (SQLite's file format, "The Write-Ahead Log"). */
const LOG_HEADER = 32;
const FRAME_HEADER = 24;

/** Transactions in the write-ahead log: the last frame of each has the size of the database after it. */
async function commitsInLog(dir: string): Promise<number> {
  const log = await readFile(join(dir, 'onetake.db-wal'));
  const frame = FRAME_HEADER + log.readUInt32BE(8);
  let commits = 0;
  for (let at = LOG_HEADER; at + frame <= log.length; at += frame) {
    if (log.readUInt32BE(at + 4) > 0) commits += 1;
  }
  return commits;
}
