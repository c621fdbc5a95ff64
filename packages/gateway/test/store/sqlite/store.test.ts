import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { migrateSqlite } from '../../../src/store/sqlite/migrations.ts';
import { openSqliteStore, type SqliteOptions } from '../../../src/store/sqlite/store.ts';
import { aKey, anAcceptance, aTask, START_OF_TIME } from '../../support/builders.ts';
import { ledgerInFolder, type StoreWithLedger } from '../../support/ledger.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { describeAccounts } from '../contract/accounts.ts';
import { describeBadRows } from '../contract/badRows.ts';
import { describeRetention } from '../contract/retention.ts';
import { accepted } from '../contract/steps.ts';
import { describeStoreContract } from '../contract/store.ts';

async function openStore(dir: string, options: Partial<SqliteOptions> = {}): Promise<StoreWithLedger> {
  const store = await openSqliteStore({ dir, exclusive: true, ...options });
  onTestFinished(() => store.close());
  return { ...store, ledger: async (taskId) => ledgerInFolder(dir, taskId) };
}

describeStoreContract('SQLite', async () => openStore(await tempFolder()));

describeAccounts('SQLite', async () => {
  const dir = await tempFolder();
  const store = await openStore(dir);
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  onTestFinished(() => void db.close());
  return { store, node: 'solo', read: async (sql) => db.prepare<[], object>(sql).all() };
});

describeRetention('SQLite', async () => {
  const dir = await tempFolder();
  const store = await openStore(dir);
  const db = new Database(join(dir, 'onetake.db'));
  onTestFinished(() => void db.close());
  return {
    store,
    run: async (sql) => void db.exec(sql),
    read: async (sql) => db.prepare<[], object>(sql).all(),
  };
});

describeBadRows('SQLite', async (log) => {
  const dir = await tempFolder();
  const store = await openStore(dir, { log });
  const db = new Database(join(dir, 'onetake.db'));
  onTestFinished(() => void db.close());
  return { store, run: async (sql) => void db.exec(sql) };
});

describe('group commit', () => {
  it('commits thousands of writes of one turn durably in one transaction', async () => {
    const dir = await tempFolder();
    const store = await openStore(dir);
    const before = await commitsInLog(dir);
    await Promise.all(Array.from({ length: 2000 }, () => store.accept(anAcceptance(aTask()))));
    expect((await commitsInLog(dir)) - before).toBe(1);
  });

  it('returns the correct results if SQLite rolls the whole group back', async () => {
    const dir = await tempFolder();
    const store = await openStore(dir);
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
    const store = await openStore(dir);
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
    const store = await openStore(dir);
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
    const store = await openSqliteStore({ dir, exclusive: true });
    const task = aTask();
    const accepting = store.accept(anAcceptance(task));
    await store.close();
    expect(await accepting).toEqual({ outcome: 'accepted' });
    expect(await (await openStore(dir)).task(task.id)).toStrictEqual(task);
  });
});

describe('every connection that writes', () => {
  const { prepare } = Database.prototype;

  it.each<[string, (dir: string) => Promise<unknown>]>([
    ['of a gateway', (dir) => openStore(dir)],
    ['of the command line', (dir) => openStore(dir, { exclusive: false })],
    ['of a migration', (dir) => migrateSqlite(dir)],
  ])('%s waits for the disk at each commit, and enforces foreign keys', async (_whose, work) => {
    const dir = await tempFolder();
    const settings = new Set<string>();
    vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: Database.Database, source) {
      if (this.name === join(dir, 'onetake.db')) {
        const asked = ['synchronous', 'journal_mode', 'foreign_keys'];
        settings.add(asked.map((name) => `${name} ${this.pragma(name, { simple: true })}`).join(', '));
      }
      return Reflect.apply(prepare, this, [source]);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    await work(dir);
    // 2 is FULL: the log is synced before a commit returns, which alone survives a power loss.
    expect([...settings]).toEqual(['synchronous 2, journal_mode wal, foreign_keys 1']);
  });
});

describe('a database file that another process has locked', () => {
  async function lockedStore(options: Partial<SqliteOptions> = {}) {
    const dir = await tempFolder();
    const store = await openStore(dir, options);
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

describe('a data folder that disappears while a gateway runs', () => {
  async function running() {
    const dir = join(await tempFolder(), 'data');
    const store = await openStore(dir);
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
        await (await openSqliteStore({ dir, exclusive: true })).close();
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

describe('a data folder', () => {
  const modes = async (dir: string) => {
    const files = (await readdir(dir)).map((name) => join(dir, name));
    const all = await Promise.all([dir, ...files].map((path) => stat(path)));
    return [...new Set(all.map((file) => (file.mode & 0o777).toString(8)))].sort();
  };

  it('is readable only by its owner, and so are its files', async () => {
    const dir = join(await tempFolder(), 'new');
    await openStore(dir);
    expect(await modes(dir)).toEqual(['600', '700']);
  });

  it('becomes readable only by its owner if an earlier version left it open', async () => {
    const dir = join(await tempFolder(), 'old');
    await (await openSqliteStore({ dir, exclusive: true })).close();
    await chmod(dir, 0o755);
    for (const name of await readdir(dir)) await chmod(join(dir, name), 0o644);
    await openStore(dir);
    expect(await modes(dir)).toEqual(['600', '700']);
  });

  const holder = fileURLToPath(new URL('./holdFolder.ts', import.meta.url));

  async function heldByAnotherProcess(dir: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, [holder, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    if (child.stdout) await once(child.stdout, 'data');
    return child;
  }

  it('has one gateway: a second one is refused with what to do, and starts once the first was killed', async () => {
    const dir = await tempFolder();
    const child = await heldByAnotherProcess(dir);
    const otherName = relative('.', dir);
    await expect(openSqliteStore({ dir: otherName, exclusive: true })).rejects.toMatchObject({
      code: 'data_dir_in_use',
      message: expect.stringContaining(
        `Another gateway (process ${child.pid}) is running on the data folder ${dir}. Stop it, or give this one its own folder with ONETAKE_DATA_DIR`,
      ),
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await openStore(dir);
  });

  it('can be used by the command line beside the gateway', async () => {
    const dir = await tempFolder();
    await heldByAnotherProcess(dir);
    const store = await openStore(dir, { exclusive: false });
    const key = aKey();
    await store.putKey(key, { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: key.id });
    expect(await store.listKeys()).toEqual([key]);
  });

  it('is free again when the store is closed', async () => {
    const dir = await tempFolder();
    await (await openSqliteStore({ dir, exclusive: true })).close();
    await openStore(dir);
  });
});

describe('a change by another process', () => {
  it("is reported once, and never for the gateway's own writes", async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const dir = await tempFolder();
    const gateway = await openStore(dir, { foreignChangeMs: 100 });
    const commandLine = await openStore(dir, { exclusive: false });
    const listener = vi.fn();
    const unsubscribe = gateway.onExternalChange(listener);

    await gateway.accept(anAcceptance(aTask()));
    vi.advanceTimersByTime(300);
    expect(listener).not.toHaveBeenCalled();

    const audit = { at: START_OF_TIME, actor: 'cli', action: 'key.create', subject: 'key' };
    await commandLine.putKey(aKey(), audit);
    vi.advanceTimersByTime(300);
    expect(listener).toHaveBeenCalledTimes(1);

    unsubscribe();
    await commandLine.putKey(aKey(), audit);
    vi.advanceTimersByTime(300);
    expect(listener).toHaveBeenCalledTimes(1);
  });
});

describe('the wait of an account', () => {
  it('does not get longer if the wall clock was set back, and is over if it was set forward', async () => {
    const store = await openStore(await tempFolder());
    const now = Date.now();
    const clock = vi.spyOn(Date, 'now').mockReturnValue(now);
    onTestFinished(() => void vi.restoreAllMocks());
    const waitAt = async (time: number) => {
      clock.mockReturnValue(time);
      const [trouble] = await store.troubles(['one']);
      return trouble?.waitMs;
    };
    await store.reportTrouble('one', { failures: 1, waitMs: 9000 });
    expect(await waitAt(now + 4000)).toBe(5000);
    expect(await waitAt(now - 3_600_000)).toBe(9000);
    expect(await waitAt(now + 9001)).toBe(0);
  });
});

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

it.each(['created_at', 'deadline_at', 'version', 'completed_at'])(
  'a number stored as text, which SQLite allows, makes its row unreadable: %s',
  async (column) => {
    const dir = await tempFolder();
    const store = await openSqliteStore({ dir, exclusive: true });
    onTestFinished(() => store.close());
    const [good, bad] = [await accepted(store), await accepted(store)];
    const beside = new Database(join(dir, 'onetake.db'));
    beside.prepare(`update tasks set ${column} = 'abc' where id = ?`).run(bad.id);
    beside.close();
    expect(await store.tasks([good.id, bad.id])).toEqual([good]);
    expect(store.unreadable()).toBe(1);
  },
);
