import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { joinCluster } from '../../src/cluster/postgres/cluster.ts';
import type { S3Options } from '../../src/media/s3/storage.ts';
import { createS3Storage } from '../../src/media/s3/storage.ts';
import { BACKUP, MOVED, markFolder } from '../../src/store/folder/marks.ts';
import { IMPORTED_TABLES } from '../../src/store/importSqlite.ts';
import { migratePostgres } from '../../src/store/postgres/migrations.ts';
import { migrateSqlite } from '../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { storable } from '../../src/tasks/text.ts';
import { accepted } from '../store/contract/steps.ts';
import { openStore } from '../store/postgres/openStore.ts';
import { aKey } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { readAll } from '../support/http/readAll.ts';
import { ledgerInDatabase, ledgerInFolder } from '../support/ledger.ts';
import { STEADY } from '../support/nodes/clusters.ts';
import { beginOnetake, onetake } from '../support/processes/commandLine.ts';
import { bucketSettings, closeBuckets, freshBucket } from '../support/servers/bucket.ts';
import { connect, freshDatabase, waitingForLocks } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { type Contents, fillFolder } from './folder.ts';

/** Tables of the embedded store that nodes of a shared one do not need. */
const LEFT_OUT = [
  // Follows from the deliveries; PostgreSQL has none.
  'webhook_lanes',
  // Follows from the tasks, in PostgreSQL as well.
  'task_metadata',
  // Messages between nodes; a new node finds out about failing accounts by itself.
  'account_shares',
  'account_state',
  // Cursors in the event log, which has new places there.
  'event_log',
  'sqlite_sequence',
  // The migrations' own table.
  'kysely_migration',
  'kysely_migration_lock',
  // Written only by readiness checks.
  'write_check',
];

afterAll(closeBuckets);

interface Prepared {
  readonly dir: string;
  readonly url: string;
  readonly bucket: S3Options;
  readonly contents: Contents;
  readonly env: Record<string, string>;
  import(...more: string[]): ReturnType<typeof onetake>;
}

/** A folder with data, an empty database, and an empty prefix in a bucket. */
async function prepare(): Promise<Prepared> {
  const dir = await tempFolder();
  const [url, bucket, contents] = await Promise.all([freshDatabase(), freshBucket(), fillFolder(dir)]);
  const env = {
    ONETAKE_DATABASE_URL: url,
    ONETAKE_DATA_DIR: await tempFolder(),
    ...bucketSettings(bucket),
  };
  return {
    dir,
    url,
    bucket,
    contents,
    env,
    import: (...more) => onetake(env, 'import', '--from', dir, ...more),
  };
}

/** Every row of both sides, in the same order. */
async function rowsOf(dir: string, url: string, table: string) {
  const source = new Database(join(dir, 'onetake.db'), { readonly: true });
  const target = await connect(url);
  const plain = (row: object) =>
    JSON.stringify(
      Object.entries(row)
        // The place of an event or an act in the order of PostgreSQL, which a folder does not have.
        .filter(([name]) => name !== 'tx' && !(table === 'audit' && name === 'seq'))
        .map(([name, value]) => [name, value === null ? null : storable(String(value))])
        .sort(),
    );
  try {
    const there = source.prepare<[], object>(`select * from ${table}`).all();
    const here = await target.query<object>(`select * from ${table}`);
    return { there: there.map(plain).sort(), here: here.rows.map(plain).sort() };
  } finally {
    source.close();
  }
}

async function refusesToStart(dir: string, message: RegExp): Promise<void> {
  const started = await onetake({ ONETAKE_DATA_DIR: dir, ONETAKE_PORT: '0' }, 'serve');
  expect(started).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
}

describe('importing a data folder', () => {
  it('moves every row and every object, and retires the folder', async () => {
    const { dir, url, bucket, contents, import: run } = await prepare();
    const done = await run();
    expect(done).toMatchObject({ code: 0, stderr: expect.stringContaining('Done.') });

    for (const table of Object.keys(IMPORTED_TABLES)) {
      const { there, here } = await rowsOf(dir, url, table);
      expect(there.length, table).toBeGreaterThan(0);
      // The database records where its rows came from.
      expect(
        here.filter((row) => !row.includes('imported-from')),
        table,
      ).toEqual(there);
    }

    const source = await openedFolder(dir);
    const store = await openStore(url);
    for (const [name, { id }] of contents.tasks) {
      expect(await ledgerInDatabase(url, id), name).toEqual(ledgerInFolder(dir, id));
      const task = await source.task(id);
      // Text that PostgreSQL cannot hold is in only one column of an attempt.
      const detail = task?.attempt?.detail;
      expect(await store.task(id), name).toEqual(
        detail === undefined ? task : { ...task, attempt: { ...task?.attempt, detail: storable(detail) } },
      );
    }
    expect(await store.listKeys()).toEqual(await source.listKeys());
    expect(await store.keyByHash(contents.keys[0]?.hash ?? '')).toMatchObject({ name: 'one' });
    expect(await store.secret('links', () => 'another')).toBe('the secret of links');

    const storage = createS3Storage(bucket);
    for (const { id, storageKey, content } of contents.media) {
      expect(await store.media(id)).toEqual(await source.media(id));
      expect(await readAll(await storage.read(storageKey))).toEqual(content);
    }

    await refusesToStart(dir, /moved into PostgreSQL/);
    const key = await onetake({ ONETAKE_DATA_DIR: dir }, 'keys', 'create', '--name', 'lost');
    expect(key).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/ONETAKE_DATABASE_URL/) });
  });

  it('changes nothing when it is repeated, although the database has changed since', async () => {
    const { url, import: run } = await prepare();
    expect((await run()).code).toBe(0);
    const store = await openStore(url);
    const later = await accepted(store);
    expect(await run()).toMatchObject({ code: 0, stderr: expect.stringMatching(/already/) });
    expect(await store.task(later.id)).toEqual(later);
  });

  const WHILE_WRITING = 'create trigger pause before insert on audit for each row execute function pause()';
  const IN_COMMIT = `create constraint trigger pause after insert on audit deferrable initially deferred
    for each row execute function pause()`;

  it.each([
    { when: 'while rows are written', trigger: WHILE_WRITING, cut: false, givenUp: false, arrived: false },
    { when: 'with its commit on the way', trigger: IN_COMMIT, cut: false, givenUp: true, arrived: true },
    { when: 'with its commit lost', trigger: IN_COMMIT, cut: true, givenUp: true, arrived: false },
  ])('killed $when, leaves all or nothing, and can be repeated', async (end) => {
    const { dir, url, env, contents, import: run } = await prepare();
    await migratePostgres(url);
    const client = await connect(url);
    await client.query(`create function pause() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock(42); return new; end $$`);
    await client.query(end.trigger);
    await client.query('select pg_advisory_lock(42)');
    const importing = async () =>
      (
        await client.query(
          `select pid from pg_stat_activity where application_name = 'onetake import' and datname = current_database()`,
        )
      ).rows;

    const begun = beginOnetake(env, 'import', '--from', dir);
    const waiting = async (count: number) => expect(await waitingForLocks(client)).toBe(count);
    await eventually(() => waiting(1));
    await begun.kill();
    for (const { pid } of end.cut ? await importing() : []) {
      await client.query('select pg_terminate_backend($1)', [pid]);
    }
    await client.query('select pg_advisory_unlock(42)');
    await eventually(async () => expect(await importing()).toEqual([]));
    // The tasks must never be driven by both the folder and the database.
    expect(existsSync(join(dir, MOVED))).toBe(end.givenUp);
    const inDatabase = async () => (await client.query('select 1 from tasks')).rows.length;
    expect(await inDatabase()).toBe(end.arrived ? contents.tasks.size : 0);

    expect(await run()).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(end.arrived ? /already/ : /Done/),
    });
    expect(await inDatabase()).toBe(contents.tasks.size);
    expect(existsSync(join(dir, MOVED))).toBe(true);
  });

  it('makes a gateway that starts in the meantime wait, which then has the folder’s secrets', async () => {
    const { dir, url, env } = await prepare();
    const store = await openStore(url);
    const client = await connect(url);
    await client.query(`create function pause() returns trigger language plpgsql as
      $$ begin perform pg_advisory_xact_lock(42); return new; end $$`);
    await client.query(
      'create trigger pause before insert on projects for each row execute function pause()',
    );
    await client.query('select pg_advisory_lock(42)');
    const waiting = async (count: number) => expect(await waitingForLocks(client)).toBe(count);
    const { child } = beginOnetake(env, 'import', '--from', dir);
    const ended = once(child, 'exit');
    await eventually(() => waiting(1));
    const secret = store.secret('links', () => 'made meanwhile');
    await eventually(() => waiting(2));
    await client.query('select pg_advisory_unlock(42)');
    expect(await secret).toBe('the secret of links');
    expect(await ended).toEqual([0, null]);
  });

  it('keeps the folder’s keys and secrets if a gateway had created some in the database', async () => {
    const { url, contents, import: run } = await prepare();
    const store = await openStore(url);
    const [same] = contents.keys;
    const audit = { at: 1, actor: 'bootstrap', action: 'key.create', subject: 'x' };
    await store.putKey(aKey({ name: 'made meanwhile', hash: same?.hash ?? '' }), audit);
    await store.putKey(aKey({ name: 'another' }), audit);
    await store.secret('links', () => 'made meanwhile');
    expect((await run()).code).toBe(0);
    expect(await store.secret('links', () => '')).toBe('the secret of links');
    expect(await store.keyByHash(same?.hash ?? '')).toMatchObject({ ...same });
    expect((await store.listKeys()).map(({ name }) => name)).toContain('another');
  });
});

describe('an import of a folder with damaged rows', () => {
  it('moves every other row, and lists those that the database cannot hold', async () => {
    const { dir, url, contents, import: run } = await prepare();
    const [unread, unfit] = [contents.tasks.get('failed')?.id, contents.tasks.get('deleted')?.id];
    const db = new Database(join(dir, 'onetake.db'));
    db.prepare(`update tasks set request = 'not JSON' where id = ?`).run(unread);
    db.prepare(`update tasks set created_at = 'soon' where id = ?`).run(unfit);
    db.prepare(`update media set storage_key = '../x' where id = (select min(id) from media)`).run();
    db.close();

    expect(await run()).toMatchObject({ code: 2, stderr: expect.stringContaining('../x') });
    const { code, stderr } = await run('--allow-missing-media');
    expect(stderr).toContain(unfit);
    expect(code).toBe(0);
    expect(existsSync(join(dir, MOVED))).toBe(true);
    const { rows } = await (await connect(url)).query<{ id: string }>('select id from tasks order by id');
    const all = [...contents.tasks.values()].map(({ id }) => id).sort();
    expect(rows.map(({ id }) => id)).toEqual(all.filter((id) => id !== unfit));
  });
});

describe('an import is refused, and nothing is moved,', () => {
  it('into a database with tasks of its own', async () => {
    const { dir, url, import: run } = await prepare();
    await accepted(await openStore(url));
    expect(await run()).toMatchObject({ code: 2, stderr: expect.stringMatching(/tasks of its own/) });
    expect(existsSync(join(dir, MOVED))).toBe(false);
  });

  it('into a database that another folder was moved into', async () => {
    const first = await prepare();
    expect((await first.import()).code).toBe(0);
    const second = await prepare();
    const env = { ...second.env, ONETAKE_DATABASE_URL: first.url };
    expect(await onetake(env, 'import', '--from', second.dir)).toMatchObject({ code: 2 });
  });

  it('while a gateway is running on the folder', async () => {
    const { dir, import: run } = await prepare();
    const holder = fileURLToPath(new URL('../store/sqlite/holdFolder.ts', import.meta.url));
    const child = spawn(process.execPath, [holder, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    expect(await run()).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Another gateway \(process \d+\) is running/),
    });
  });

  it('while a gateway is running on the database', async () => {
    const { url, import: run } = await prepare();
    await migratePostgres(url);
    const cluster = await joinCluster({ ...STEADY, url, log: pino({ level: 'silent' }) });
    onTestFinished(() => cluster.close());
    expect(await run()).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/Stop every gateway.*node-1/),
    });
  });

  it('of a backup before onetake recover', async () => {
    const { dir, import: run } = await prepare();
    markFolder(dir, BACKUP, 'as onetake backup does');
    expect(await run()).toMatchObject({ code: 2, stderr: expect.stringMatching(/onetake recover/) });
  });

  it('if bytes are missing, unless they are given up', async () => {
    const { dir, url, contents, import: run } = await prepare();
    const lost = contents.media[0]?.storageKey ?? '';
    await rm(join(dir, 'media', lost));
    const refused = await run();
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(lost) });
    expect(refused.stderr).toContain('--allow-missing-media');
    expect((await (await connect(url)).query('select 1 from tasks')).rows).toEqual([]);
    expect(await run('--allow-missing-media')).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/1 {2}media objects missing/),
    });
  });

  it.each<[Record<string, string>, string[], RegExp]>([
    [{ ONETAKE_DATABASE_URL: 'postgres://127.0.0.1:1/x' }, [], /--from DIR/],
    [{}, ['--from', 'nowhere'], /ONETAKE_DATABASE_URL/],
    [
      { ONETAKE_DATABASE_URL: 'postgres://127.0.0.1:1/x' },
      ['--from', 'nowhere'],
      /no onetake\.db in nowhere/,
    ],
  ])('with settings %j and %j', async (env, args, message) => {
    const dir = await tempFolder();
    const ended = await onetake({ ONETAKE_DATA_DIR: dir, ...env }, 'import', ...args);
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
  });
});

it('every table of the embedded store is imported, or left out deliberately', async () => {
  const dir = await tempFolder();
  await migrateSqlite(dir);
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  onTestFinished(() => void db.close());
  const tables = db.prepare<[], string>(`select name from sqlite_master where type = 'table'`).pluck().all();
  expect(tables.filter((name) => !LEFT_OUT.includes(name)).sort()).toEqual(
    Object.keys(IMPORTED_TABLES).sort(),
  );
});

/** The store of a folder that was moved, which cannot be opened any more. */
async function openedFolder(dir: string) {
  await rm(join(dir, MOVED));
  const store = await openSqliteStore({ dir, exclusive: false });
  onTestFinished(async () => store.close());
  markFolder(dir, MOVED, 'as before');
  return store;
}
