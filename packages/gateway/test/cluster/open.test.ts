import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openStore } from '../../src/cluster/open.ts';
import { lockFolder } from '../../src/store/folder/lock.ts';
import { accepted } from '../store/contract/steps.ts';
import { freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

const log = pino({ level: 'silent' });

describe('the store of a gateway', () => {
  it('is the embedded one without a database, for a single node', async () => {
    const dataDir = join(await tempFolder(), 'data');
    const opened = await openStore({ dataDir, databasePool: 2 }, log);
    expect(opened.cluster).toMatchObject({ shared: false, node: expect.stringMatching(/^solo-\w{16,}$/) });
    expect([opened.problem(), existsSync(join(dataDir, 'onetake.db'))]).toEqual([undefined, true]);
    expect(Math.abs(opened.clock.now() - Date.now())).toBeLessThan(5000);
    await expect(openStore({ dataDir, databasePool: 2 }, log)).rejects.toMatchObject({
      code: 'data_dir_in_use',
    });
    await opened.store.close();
    lockFolder(dataDir).release();
  });

  it('is PostgreSQL with a database, for one node of many, which also locks its folder', async () => {
    const databaseUrl = await freshDatabase();
    const dataDir = join(await tempFolder(), 'data');
    const settings = { dataDir, databaseUrl, databasePool: 2 };
    const opened = await openStore(settings, log);
    expect(opened.cluster).toMatchObject({ shared: true, node: 'node-1' });
    expect(existsSync(join(dataDir, 'onetake.db'))).toBe(false);
    const task = await accepted(opened.store);
    expect(await opened.store.task(task.id)).toEqual(task);
    expect([opened.cluster.hasLease(), opened.problem()]).toEqual([true, undefined]);
    await expect(openStore(settings, log)).rejects.toMatchObject({ code: 'data_dir_in_use' });
    await opened.cluster.close();
    await opened.store.close();
    lockFolder(dataDir).release();
  });

  it.each([
    ['uses', false],
    ['does not use', true],
  ])('%s named statements, which a pooler does not keep: %s', async (_what, isPooled) => {
    const databaseUrl = await freshDatabase();
    const dataDir = join(await tempFolder(), 'data');
    const pooled = isPooled ? { databaseSessionUrl: databaseUrl } : {};
    const opened = await openStore({ dataDir, databaseUrl, databasePool: 2, ...pooled }, log);
    const asked = vi.spyOn(Client.prototype, 'query');
    onTestFinished(() => void asked.mockRestore());
    await accepted(opened.store);
    const isNamed = (query: unknown) => typeof query === 'object' && query !== null && 'name' in query;
    expect(asked.mock.calls.some(([query]) => isNamed(query))).toBe(!isPooled);
    await opened.cluster.close();
    await opened.store.close();
  });

  it('that cannot be opened leaves its folder unlocked', async () => {
    const dataDir = join(await tempFolder(), 'data');
    const settings = { dataDir, databaseUrl: 'postgres://127.0.0.1:1/none', databasePool: 2 };
    await expect(openStore(settings, log)).rejects.toMatchObject({ code: 'database_unusable' });
    lockFolder(dataDir).release();
  });
});
