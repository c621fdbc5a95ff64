import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { Pool } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Dialect } from '../../src/store/migrations/dialect.ts';
import { migrationsFor } from '../../src/store/migrations/index.ts';
import { migratePostgres, pendingInPostgres } from '../../src/store/postgres/migrations.ts';
import { migrateSqlite, pendingInSqlite } from '../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { accepted } from './contract/steps.ts';
import { openStore } from './postgres/openStore.ts';

const ALL = Object.keys(migrationsFor('postgres'));
const NEWER = '9999_newer';

/** A database in the state of another version. */
async function leftBy(names: readonly string[], dialect: Dialect, db: Kysely<unknown>): Promise<void> {
  const migrations = Object.fromEntries(
    names.map((name) => [name, migrationsFor(dialect)[name] ?? { up: async () => undefined }]),
  );
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => migrations },
  }).migrateToLatest();
  await db.destroy();
  if (error) throw error;
}

const inPostgres = (names: readonly string[], url: string) =>
  leftBy(
    names,
    'postgres',
    new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }) }),
  );

const inSqlite = (names: readonly string[], dir: string) =>
  leftBy(
    names,
    'sqlite',
    new Kysely({ dialect: new SqliteDialect({ database: new Database(join(dir, 'onetake.db')) }) }),
  );

describe('migrating PostgreSQL', () => {
  it('is done by one of five nodes that start at once, and is then complete', async () => {
    const url = await freshDatabase();
    const applied = await Promise.all(Array.from({ length: 5 }, () => migratePostgres(url)));
    expect(applied.flat().toSorted()).toEqual(ALL);
    expect(await migratePostgres(url)).toEqual([]);
    expect(await pendingInPostgres(url)).toEqual([]);
  });

  it('continues where an older version stopped', async () => {
    const url = await freshDatabase();
    await inPostgres(ALL.slice(0, 1), url);
    expect(await pendingInPostgres(url)).toEqual(ALL.slice(1));
    expect(await migratePostgres(url)).toEqual(ALL.slice(1));
  });

  it('leaves a database of a newer version as it is, and works with it', async () => {
    const url = await freshDatabase();
    await inPostgres([...ALL, NEWER], url);
    const store = await openStore(url);
    // What is added later must not disturb the statements, which name their columns.
    const client = await connect(url);
    const task = await accepted(store);
    expect(await store.task(task.id)).toEqual(task);
    await client.query(`alter table tasks add column mood text; alter table attempts add column mood text`);
    for (let time = 0; time < 8; time++) expect(await store.task(task.id)).toEqual(task);
    expect(await store.adopt('heir', 1)).toHaveLength(1);
  });

  it('refuses a database of neither this version nor a newer one', async () => {
    const url = await freshDatabase();
    await inPostgres([...ALL.slice(0, 1), NEWER], url);
    await expect(openStore(url)).rejects.toMatchObject({
      code: 'database_too_new',
      message: expect.stringMatching(/9999_newer.*0002_cluster/),
    });
  });

  it('leaves no migration half done if it fails', async () => {
    const url = await freshDatabase();
    const client = await connect(url);
    // In the way of the end of 0002.
    await client.query('create sequence node_numbers');
    await expect(migratePostgres(url)).rejects.toMatchObject({ code: 'database_unusable' });
    const { rows } = await client.query(`select from pg_indexes where indexname = 'tasks_by_owner'`);
    expect([await pendingInPostgres(url), rows]).toEqual([ALL.slice(1), []]);
    await client.query('drop sequence node_numbers');
    expect(await migratePostgres(url)).toEqual(ALL.slice(1));
  });

  it('gives nodes numbers that are never used again', async () => {
    const url = await freshDatabase();
    await migratePostgres(url);
    const client = await connect(url);
    const next = async () => (await client.query(`select nextval('node_numbers')::int as n`)).rows;
    expect([await next(), await next()]).toEqual([[{ n: 1 }], [{ n: 2 }]]);
  });
});

describe('migrating a data folder', () => {
  it('continues where an older version stopped, and keeps its tasks', async () => {
    const dir = await tempFolder();
    await inSqlite(ALL.slice(0, 1), dir);
    expect(await pendingInSqlite(dir)).toEqual(ALL.slice(1));
    expect(await migrateSqlite(dir)).toEqual(ALL.slice(1));
    expect(await pendingInSqlite(dir)).toEqual([]);
  });

  it('is done by one of five processes that start at once', async () => {
    const dir = await tempFolder();
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrateSqlite(dir)));
    expect(applied.flat().sort()).toEqual(ALL);
  });

  it('waits for another process that has it locked, without blocking this one', async () => {
    const dir = await tempFolder();
    await inSqlite(ALL.slice(0, 1), dir);
    const other = new Database(join(dir, 'onetake.db'));
    onTestFinished(() => void other.close());
    other.exec('begin immediate');
    const migrating = migrateSqlite(dir);
    // The timer fires while the migration waits.
    await new Promise((resolve) => setTimeout(resolve, 20));
    other.exec('commit');
    expect(await migrating).toEqual(ALL.slice(1));
  });

  it('accepts a folder of a newer version', async () => {
    const dir = await tempFolder();
    await inSqlite([...ALL, NEWER], dir);
    const store = await openSqliteStore({ dir, exclusive: true });
    await accepted(store);
    await store.close();
  });
});

describe('a store of before projects could be changed', () => {
  const BEFORE = ALL.slice(0, ALL.indexOf('0021_projects'));
  const OLD_ROWS = `
    insert into projects (id, name, created_at) values ('studio', 'studio', 5);
    insert into keys (id, project_id, name, prefix, hash, scopes, created_at, expires_at)
    values ('key_1', 'studio', 'an app', 'sk-1', 'a hash', '["admin"]', 6, 900);
    insert into audit (at, actor, action, subject) values (6, 'cli', 'key.created', 'key_1'), (7, 'cli', 'key.revoked', 'key_0');`;
  const KEY = {
    id: 'key_1',
    projectId: 'studio',
    name: 'an app',
    prefix: 'sk-1',
    hash: 'a hash',
    // What it could do before there was a scope for it.
    scopes: ['read', 'admin'],
    createdAt: 6,
    expiresAt: 900,
  };

  async function expectOldRows(store: Store): Promise<void> {
    const project = { id: 'studio', name: 'studio', createdAt: 5 };
    expect(await store.keyByHash('a hash')).toStrictEqual({ ...KEY, project });
    const audit = { at: 8, actor: 'cli', action: 'key.changed', subject: 'key_1' };
    await store.changeKey('key_1', { name: 'the app' }, audit, { at: 8 });
    expect(await store.listKeys()).toStrictEqual([{ ...KEY, name: 'the app' }]);
    expect((await store.audit({ limit: 9 })).map(({ at, detail }) => [at, detail])).toEqual([
      [8, { name: ['an app', 'the app'] }],
      [7, undefined],
      [6, undefined],
    ]);
  }

  it('keeps its keys and its audit log in a data folder', async () => {
    const dir = await tempFolder();
    await inSqlite(BEFORE, dir);
    const db = new Database(join(dir, 'onetake.db'));
    db.exec(OLD_ROWS);
    db.close();
    const store = await openSqliteStore({ dir, exclusive: true });
    onTestFinished(() => store.close());
    await expectOldRows(store);
  });

  it('keeps them in PostgreSQL, where nodes of the earlier version still write keys', async () => {
    const url = await freshDatabase();
    await inPostgres(BEFORE, url);
    const client = await connect(url);
    await client.query(OLD_ROWS);
    const store = await openStore(url);
    await expectOldRows(store);
    await client.query(`
      insert into keys (id, project_id, name, prefix, hash, scopes, created_at)
      values ('key_2', 'studio', 'late', 'sk-2', 'another', '["generate"]', 9);
      insert into audit (at, actor, action, subject) values (9, 'cli', 'key.created', 'key_2')`);
    expect(await store.keyByHash('another')).toMatchObject({ name: 'late', project: { id: 'studio' } });
    expect((await store.audit({ limit: 1 })).map(({ subject }) => subject)).toEqual(['key_2']);
  });
});

/** The statements of a migration, as earlier versions ran them: one by one, each committed separately. */
async function statementsOf(name: string): Promise<readonly string[]> {
  const statements: string[] = [];
  const db = new Kysely<unknown>({
    dialect: new SqliteDialect({
      database: new Database(':memory:', { verbose: (statement) => statements.push(String(statement)) }),
    }),
  });
  for (const step of ALL.slice(0, ALL.indexOf(name) + 1)) {
    statements.length = 0;
    await migrationsFor('sqlite')[step]?.up(db);
  }
  await db.destroy();
  return statements;
}

const schemaOf = (dir: string): unknown[] => {
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  try {
    return db
      .prepare(
        `select name, sql from sqlite_schema where sql is not null and name not like 'kysely_%' order by name`,
      )
      .all();
  } finally {
    db.close();
  }
};

describe('a data folder whose migration was interrupted by an earlier version', () => {
  // Those that were ever run without a transaction.
  it.each(ALL.slice(0, 3))('is completed after any part of %s', async (name) => {
    const whole = await tempFolder();
    await migrateSqlite(whole);
    const statements = await statementsOf(name);
    for (let count = 0; count <= statements.length; count++) {
      const dir = await tempFolder();
      await inSqlite(ALL.slice(0, ALL.indexOf(name)), dir);
      const db = new Database(join(dir, 'onetake.db'));
      for (const statement of statements.slice(0, count)) db.exec(statement);
      db.close();

      const store = await openSqliteStore({ dir, exclusive: true });
      const task = await accepted(store);
      expect(await store.task(task.id)).toEqual(task);
      await store.close();
      expect(schemaOf(dir)).toEqual(schemaOf(whole));
      expect(await pendingInSqlite(dir)).toEqual([]);
    }
  });

  it('is refused and left as it is, if a table is not ours', async () => {
    const dir = await tempFolder();
    const db = new Database(join(dir, 'onetake.db'));
    db.exec('create table audit (what text)');
    db.close();
    const before = schemaOf(dir);
    await expect(openSqliteStore({ dir, exclusive: true })).rejects.toMatchObject({
      code: 'database_unusable',
      message: expect.stringContaining('"audit"'),
    });
    expect(schemaOf(dir)).toEqual(before);
    // The refusal has released the folder.
    await expect(openSqliteStore({ dir, exclusive: true })).rejects.toMatchObject({
      code: 'database_unusable',
    });
  });
});

describe('onetake migrate', () => {
  const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  const onetake = (env: NodeJS.ProcessEnv, ...args: string[]) =>
    promisify(execFile)(process.execPath, [CLI, ...args], { env: { PATH: process.env.PATH, ...env } });

  it.each<[string, () => Promise<NodeJS.ProcessEnv>]>([
    ['PostgreSQL', async () => ({ DATABASE_URL: await freshDatabase() })],
    ['a data folder', async () => ({ ONETAKE_DATA_DIR: join(await tempFolder(), 'new') })],
  ])('lists what is to be done in %s, does it, and reports it', async (_what, settings) => {
    const env = await settings();
    const checked = await onetake(env, 'migrate', '--check').catch((error: unknown) => error);
    expect(checked).toMatchObject({ code: 1, stdout: expect.stringContaining(ALL.join(', ')), stderr: '' });
    if (env.ONETAKE_DATA_DIR) expect(existsSync(env.ONETAKE_DATA_DIR)).toBe(false);
    expect((await onetake(env, 'migrate')).stdout).toBe(`Applied ${ALL.join(', ')}.\n`);
    expect((await onetake(env, 'migrate', '--check')).stdout).toMatch(/up to date/);
    expect((await onetake(env, 'migrate')).stdout).toMatch(/already up to date/);
  });

  it('fails for a missing database, with the place where it looked', async () => {
    const env = { DATABASE_URL: 'postgres://onetake:hush-hush@127.0.0.1:1/videos' };
    const failed = await onetake(env, 'migrate').catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/videos at 127\.0\.0\.1:1/) });
    expect(failed).not.toMatchObject({ stderr: expect.stringContaining('hush') });
  });
});

describe('onetake keys', () => {
  it('works on the shared database, and informs running gateways', async () => {
    const url = await freshDatabase();
    const store = await openStore(url);
    const listening = await connect(url);
    const heard: string[] = [];
    listening.on('notification', ({ payload = '' }) => heard.push(payload));
    await listening.query('listen onetake');
    const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
    const env = { PATH: process.env.PATH, ONETAKE_DATABASE_URL: url };
    await promisify(execFile)(process.execPath, [CLI, 'keys', 'create', '--name', 'shared'], { env });
    expect(await store.listKeys()).toMatchObject([{ name: 'shared' }]);
    await expect.poll(() => heard).toEqual([expect.stringContaining('"keys"')]);
  });
});
