import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { migrateSqlite } from '../../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import { aKey, START_OF_TIME } from '../../support/builders.ts';
import { tempFolder } from '../../support/tempFolder.ts';
import { accepted } from '../contract/steps.ts';

import { describeEmbedded, openStore } from './embedded.ts';

describeEmbedded('SQLite', {});

describe('every connection that writes', () => {
  const { prepare } = Database.prototype;

  it.each<[string, (dir: string) => Promise<unknown>]>([
    ['of a gateway', (dir) => openStore(dir)],
    ['of the command line', (dir) => openStore(dir, { exclusive: false })],
    ['of a migration', (dir) => migrateSqlite(dir)],
  ])(
    '%s waits for the disk at each commit, enforces foreign keys, and does not let the log keep the disk',
    async (_whose, work) => {
      const dir = await tempFolder();
      const settings = new Set<string>();
      vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: Database.Database, source) {
        if (this.name === join(dir, 'onetake.db')) {
          const asked = ['synchronous', 'journal_mode', 'foreign_keys', 'journal_size_limit'];
          settings.add(asked.map((name) => `${name} ${this.pragma(name, { simple: true })}`).join(', '));
        }
        return Reflect.apply(prepare, this, [source]);
      });
      onTestFinished(() => void vi.restoreAllMocks());
      await work(dir);
      // 2 is FULL: the log is synced before a commit returns, which alone survives a power loss.
      expect([...settings]).toEqual([
        'synchronous 2, journal_mode wal, foreign_keys 1, journal_size_limit 16777216',
      ]);
    },
  );
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
