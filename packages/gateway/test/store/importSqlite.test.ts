import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Client } from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type FolderRows, readFolderRows } from '../../src/store/folder/rows.ts';
import {
  IMPORTED_TABLES,
  type ImportParts,
  importSqlite,
  refuseImport,
} from '../../src/store/importSqlite.ts';
import { migratePostgres } from '../../src/store/postgres/migrations.ts';
import { LOCK_CLASS } from '../../src/store/postgres/nodes.ts';
import { fillFolder } from '../cli/folder.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

const TABLES = Object.keys(IMPORTED_TABLES);

/** A full folder, changed by some SQL, and an empty database. */
async function prepare(change?: string) {
  const dir = await tempFolder();
  const url = await freshDatabase();
  await Promise.all([fillFolder(dir), migratePostgres(url)]);
  if (change) {
    const db = new Database(join(dir, 'onetake.db'));
    db.pragma('foreign_keys = OFF');
    db.exec(change);
    db.close();
  }
  const source = readFolderRows(join(dir, 'onetake.db'));
  onTestFinished(() => source.close());
  const target = await connect(url);
  const beside = await connect(url);
  const calls: unknown[] = [];
  const parts: ImportParts = {
    source,
    target,
    installation: 'folder-1',
    giveUp: () => void calls.push('give up'),
    onTable: (table, rows) => void calls.push([table, rows]),
    onSetAside: (table, { id, task_id }, reason) => void calls.push([table, id ?? task_id, reason]),
  };
  return { url, source, target, beside, calls, parts };
}

const counts = async (client: Client): Promise<Record<string, number>> => {
  const { rows } = await client.query(
    `select ${TABLES.map((table) => `(select count(*)::int from ${table}) as ${table}`).join(', ')}`,
  );
  return rows[0];
};
const inFolder = (source: FolderRows): Record<string, unknown> =>
  Object.fromEntries(TABLES.map((table) => [table, source.get(`select count(*) as n from ${table}`)?.n]));

describe('the import of a data folder', () => {
  it('moves every row in one transaction, and gives up the folder before the commit', async () => {
    const { source, target, calls, parts } = await prepare();
    const asked: unknown[] = [];
    vi.spyOn(target, 'query').mockImplementation((...given: unknown[]) => {
      asked.push(given[0], calls.length);
      return Reflect.apply(Client.prototype.query, target, given);
    });
    expect(await importSqlite(parts)).toBe(true);
    const folder = inFolder(source);
    expect(calls).toEqual([...TABLES.map((table) => [table, folder[table]]), 'give up']);
    expect(asked.slice(0, 2)).toEqual(['begin', 0]);
    expect(asked.slice(-4)).toEqual([
      expect.stringContaining('insert into secrets'),
      TABLES.length,
      'commit',
      TABLES.length + 1,
    ]);
    expect(await counts(target)).toEqual({ ...folder, secrets: Number(folder.secrets) + 1 });
    const { rows } = await target.query("select value from secrets where name = 'imported-from'");
    expect(rows).toEqual([{ value: 'folder-1' }]);
  });

  it('is done once: a repetition only gives up the folder', async () => {
    const { target, calls, parts } = await prepare();
    await importSqlite(parts);
    const after = await counts(target);
    calls.length = 0;
    expect(await importSqlite(parts)).toBe(false);
    expect([calls, await counts(target)]).toEqual([['give up'], after]);
    await expect(refuseImport(target, 'folder-1')).resolves.toBeUndefined();
  });

  it('leaves nothing if the folder cannot be given up', async () => {
    const { target, beside, parts } = await prepare();
    const before = await counts(beside);
    const giveUp = () => {
      throw new Error('the disk is full');
    };
    await expect(importSqlite({ ...parts, giveUp })).rejects.toThrow('the disk is full');
    expect([await counts(target), await counts(beside)]).toEqual([before, before]);
    // The connection can be used again.
    expect(await importSqlite(parts)).toBe(true);
  });

  it('works without listeners', async () => {
    const { parts } = await prepare("update tasks set created_at = 'abc' where phase = 'failed'");
    const { source, target, installation, giveUp } = parts;
    expect(await importSqlite({ source, target, installation, giveUp })).toBe(true);
  });

  it('keeps the projects, keys, secrets and counters of the folder where the database has them too', async () => {
    const { source, target, parts } = await prepare(`
      update projects set limits = '{"dailyBudgetMicros":1000000}', archived_at = 7;
      delete from quota_counters;
      insert into quota_counters (subject, period, currency, project_id, amount) values ('project:p', '2026-11', 'USD', 'p', 5)`);
    const key = source.get('select * from keys order by id limit 1');
    await target.query(
      "insert into quota_counters (subject, period, currency, project_id, amount) values ('project:p', '2026-11', 'USD', 'p', 0)",
    );
    await target.query("insert into secrets (name, value) values ('links', 'of the database')");
    await target.query("insert into projects (id, name, created_at) values ($1, 'of the database', 1)", [
      key?.project_id,
    ]);
    await target.query(
      `insert into keys (id, project_id, name, prefix, hash, scopes, created_at) values ('mine', $1, 'n', 'p', $2, '[]', 1)`,
      [key?.project_id, key?.hash],
    );
    expect(await importSqlite(parts)).toBe(true);
    const { rows: secrets } = await target.query("select value from secrets where name = 'links'");
    expect(secrets).toEqual([{ value: 'the secret of links' }]);
    const { rows: projects } = await target.query(
      'select name, limits, archived_at from projects where id = $1',
      [key?.project_id],
    );
    const own = source.get(`select name from projects where id = '${key?.project_id}'`);
    expect(projects).toEqual([
      { name: own?.name, limits: '{"dailyBudgetMicros":1000000}', archived_at: expect.anything() },
    ]);
    expect((await target.query('select amount::int from quota_counters')).rows).toEqual([{ amount: 5 }]);
    const { rows: keys } = await target.query('select id, name, scopes from keys where hash = $1', [
      key?.hash,
    ]);
    expect(keys).toEqual([{ id: key?.id, name: key?.name, scopes: key?.scopes }]);
  });
});

describe('an import is refused', () => {
  it('while gateways run on the database', async () => {
    const { beside, parts, target } = await prepare();
    for (const number of [7, 12]) await beside.query('select pg_advisory_lock($1, $2)', [LOCK_CLASS, number]);
    const refused = {
      code: 'gateways_running',
      status: 409,
      message: expect.stringMatching(/node-\d+, node-\d+/),
    };
    await expect(importSqlite(parts)).rejects.toMatchObject(refused);
    await expect(refuseImport(target, 'folder-1')).rejects.toMatchObject(refused);
    expect((await counts(target)).tasks).toBe(0);
  });

  it.each([
    [
      'tasks',
      `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
       values ('t1', 'p', 'k', 'm', '{}', 'running', 1, 'o', 1, 0, 0, '{}')`,
    ],
    [
      'media',
      `insert into media (id, project_id, kind, storage_key, content_type, state, created_at) values ('m', 'p', 'k', 's', 'c', 'present', 1)`,
    ],
    [
      'idempotency',
      `insert into idempotency (project_id, key, body_hash, task_id, expires_at) values ('p', 'k', 'h', 't', 1)`,
    ],
    ['another folder', `insert into secrets (name, value) values ('imported-from', 'folder-2')`],
  ])('by a database with %s', async (_what, insert) => {
    const { beside, parts, target } = await prepare();
    await beside.query(insert);
    const refused = { code: 'database_not_empty', status: 409 };
    await expect(importSqlite(parts)).rejects.toMatchObject(refused);
    await expect(refuseImport(target, 'folder-1')).rejects.toMatchObject(refused);
    await expect(refuseImport(target, undefined)).rejects.toMatchObject(refused);
  });

  it('not by an empty database, whatever the folder is called', async () => {
    const { target } = await prepare();
    await expect(refuseImport(target, undefined)).resolves.toBeUndefined();
    await expect(refuseImport(target, 'folder-1')).resolves.toBeUndefined();
  });
});

describe('rows that PostgreSQL cannot hold', () => {
  it('are set aside one by one, with the reason, and stay in the folder', async () => {
    const { source, target, calls, parts } = await prepare(
      `update media set created_at = 'abc' where id in (select id from media order by id limit 2 offset 1);
       update audit set at = 'x' where rowid = 1`,
    );
    const bad = ['media', 'audit'].map((table) => [
      table,
      source.get(
        `select count(*) as n from ${table} where typeof(${table === 'media' ? 'created_at' : 'at'}) = 'text'`,
      )?.n,
    ]);
    expect(bad).toEqual([
      ['media', 2],
      ['audit', 1],
    ]);
    expect(await importSqlite(parts)).toBe(true);
    const aside = calls.filter((call) => Array.isArray(call) && call.length === 3);
    expect(aside).toEqual([
      ['media', expect.any(String), expect.stringContaining('abc')],
      ['media', expect.any(String), expect.stringContaining('abc')],
      ['audit', undefined, expect.stringContaining('x')],
    ]);
    const folder = inFolder(source);
    const moved = await counts(target);
    expect([moved.media, moved.audit, moved.tasks]).toEqual([
      Number(folder.media) - 2,
      Number(folder.audit) - 1,
      folder.tasks,
    ]);
    expect(calls).toContainEqual(['media', moved.media]);
  });

  it('include rows that refer to such a row', async () => {
    const { source, target, parts, calls } = await prepare(
      "update tasks set version = 'one' where id = (select task_id from attempts limit 1)",
    );
    expect(await importSqlite(parts)).toBe(true);
    const tables = calls.flatMap((call) => (Array.isArray(call) && call.length === 3 ? [call[0]] : []));
    expect(new Set(tables)).toEqual(new Set(['tasks', 'attempts', 'ledger']));
    expect((await counts(target)).tasks).toBe(Number(inFolder(source).tasks) - 1);
  });

  it('may have amounts that cannot be summed', async () => {
    const { parts, calls } = await prepare("update ledger set amount_micros = 'many' where rowid = 1");
    expect(await importSqlite(parts)).toBe(true);
    expect(calls).toContainEqual(['ledger', expect.any(String), expect.stringContaining('many')]);
  });

  it('are not those that fail for another reason', async () => {
    const { target, beside, parts, calls } = await prepare();
    await beside.query('alter table attempts add constraint odd check (true)');
    await beside.query(`create function broken() returns trigger language plpgsql as
      $$ begin raise exception 'out of order' using errcode = '53100'; end $$`);
    await beside.query(
      'create trigger broken before insert on attempts for each row execute function broken()',
    );
    await expect(importSqlite(parts)).rejects.toMatchObject({ code: '53100' });
    expect((await counts(target)).tasks).toBe(0);
    expect(calls).not.toContain('give up');
  });
});

describe('the comparison after the copy', () => {
  it.each([
    ['a count', { tasks: 99 }],
    ['the sum of holds', { hold: '1' }],
    ['the sum of captures', { capture: '1' }],
    ['the sum of releases', { release: '1' }],
  ])('refuses an import in which %s differs, and moves nothing', async (_what, changed) => {
    const { source, target, calls, parts } = await prepare();
    const other: FolderRows = {
      ...source,
      get: (sql, ...values) => ({ ...source.get(sql, ...values), ...changed }),
    };
    await expect(importSqlite({ ...parts, source: other })).rejects.toMatchObject({
      code: 'import_differs',
      status: 500,
      message: expect.stringMatching(
        /the folder has tasks \d+, attempts \d+, .*hold \d+, capture \d+, release \d+; the database/,
      ),
    });
    expect([(await counts(target)).tasks, calls.includes('give up')]).toEqual([0, false]);
  });
});
