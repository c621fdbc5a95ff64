import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, it } from 'vitest';
import { createFileStorage } from '../../src/media/files/storage.ts';
import { BACKUP, isMarked, MOVED, markFolder } from '../../src/store/folder/marks.ts';
import { pendingInSqlite } from '../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import { type Contents, fillFolder } from '../cli/folder.ts';
import { START_OF_TIME } from '../support/builders.ts';
import { eventually } from '../support/eventually.ts';
import { readAll } from '../support/http/readAll.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { killAnywhere, run } from './killed.ts';
import type { Plan } from './plan.ts';

// Every multi-step change of disk or database, killed at its steps and repeated.

/** Far more than any time limit of leftovers. */
const LATER = START_OF_TIME + 30 * 86_400_000;
const OVER = ['succeeded', 'failed', 'cancelled', 'expired'];

/** A folder with tasks in every phase; each kill gets a copy. */
let full: string;
let contents: Contents;
/** The rows of `full`. */
let rowsOfFull: Awaited<ReturnType<typeof rowsOf>>;
beforeAll(async () => {
  full = await mkdtemp(join(tmpdir(), 'onetake-'));
  contents = await fillFolder(full);
  // Read once: two programs are killed at a time, and a folder can be opened by one store only.
  rowsOfFull = await rowsOf(full);
  return () => rm(full, { recursive: true, force: true });
});

async function copyOf(dir: string): Promise<string> {
  const copy = await tempFolder();
  await cp(dir, copy, { recursive: true });
  return copy;
}

/** Every row of a data folder about tasks, money and keys. The lock of a dead process does not matter. */
async function rowsOf(dir: string, recovering = false): Promise<Readonly<Record<string, unknown[]>>> {
  const store = await openSqliteStore({ dir, exclusive: true, recovering });
  await store.close();
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    const all = (sql: string) => db.prepare(sql).all();
    return {
      tasks: all('select id, phase, version from tasks order by id'),
      ledger: all('select task_id, kind, amount_micros from ledger order by task_id, kind, amount_micros'),
      keys: all('select id, name, revoked_at is null as lives from keys order by id'),
      media: all('select id, state, storage_key from media order by id'),
    };
  } finally {
    db.close();
  }
}

/** No row names bytes that are missing or incomplete. */
async function expectWholeMedia(dir: string, media: Contents['media'] = contents.media): Promise<void> {
  const files = createFileStorage({ root: join(dir, 'media') });
  for (const { storageKey, content } of media) {
    expect((await readAll(await files.read(storageKey))).equals(content), storageKey).toBe(true);
  }
}

describe('killed at any step and started again,', () => {
  it('a first start on SQLite has all its tables and one key', () =>
    killAnywhere({
      steps: [/owner\.lock/, /SQLite begin immediate/, /create table/, /SQLite commit/, /insert into keys/],
      async fresh() {
        const dir = await tempFolder();
        return { args: ['start'], dir, env: { ONETAKE_DATA_DIR: dir, ONETAKE_PORT: '0' } };
      },
      async ended({ dir }) {
        expect(await pendingInSqlite(dir)).toEqual([]);
        expect((await rowsOf(dir)).keys).toHaveLength(1);
      },
    }));

  it('a migration of PostgreSQL continues', () =>
    killAnywhere({
      steps: [/PostgreSQL begin/, /PostgreSQL create table/, /PostgreSQL commit/],
      async fresh() {
        const url = await freshDatabase();
        return { args: ['migrate'], url, env: { ONETAKE_DATABASE_URL: url } };
      },
      async ended({ env }) {
        await run({ args: ['migrate', '--check'], env });
      },
    }));

  it.each(['the first', 'another'])('%s backup is complete, or is not accepted as one', (which) =>
    killAnywhere({
      steps: [/backup-to-be-rec/, /fsyncSync/, /vacuum into/, /renameSync/],
      async fresh() {
        const [dir, to] = [await copyOf(full), await tempFolder()];
        const place = { args: ['backup', '--to', to], dir, to, env: { ONETAKE_DATA_DIR: dir } };
        if (which === 'another') await run(place);
        return place;
      },
      async left({ dir, to }) {
        expect(await rowsOf(dir)).toEqual(rowsOfFull);
        const written = existsSync(join(to, 'onetake.db'));
        if (which === 'another') expect(written).toBe(true);
        if (written) {
          expect(isMarked(to, BACKUP)).toBe(true);
          expect(await rowsOf(await copyOf(to), true)).toEqual(rowsOfFull);
          await expectWholeMedia(to);
        } else if (existsSync(join(to, 'media')) || existsSync(join(to, 'onetake.db.new'))) {
          // A gateway would use it as a new folder, and an operator would take its few files for the backup.
          await expect(openSqliteStore({ dir: to, exclusive: true })).rejects.toThrow('is a backup');
          await expect(run({ args: ['recover'], env: { ONETAKE_DATA_DIR: to } })).rejects.toThrow(
            'interrupted',
          );
        }
      },
      async ended({ to }) {
        expect(existsSync(join(to, 'onetake.db.new'))).toBe(false);
        await expectWholeMedia(to);
        await run({ args: ['recover'], env: { ONETAKE_DATA_DIR: to } });
        expect((await rowsOf(to)).tasks).toHaveLength(contents.tasks.size);
      },
    }),
  );

  it('an import is repeated, and no task is driven in two places', () =>
    killAnywhere({
      steps: [
        /FileHandle\.write/,
        /^rename/,
        /PostgreSQL insert into tasks/,
        /moved-to-postgre/,
        /PostgreSQL commit/,
      ],
      async fresh() {
        const [dir, data, url] = [await copyOf(full), await tempFolder(), await freshDatabase()];
        const env = { ONETAKE_DATABASE_URL: url, ONETAKE_DATA_DIR: data };
        return { args: ['import', '--from', dir], env, dir, data, url };
      },
      async left({ dir, url }) {
        const client = await connect(url);
        const sessions = `select 1 from pg_stat_activity where application_name = 'onetake import' and datname = current_database()`;
        await eventually(async () => expect((await client.query(sessions)).rows).toEqual([]));
        const { rows } = await client.query(`select to_regclass('tasks') as there`);
        const moved = rows[0].there === null ? [] : (await client.query('select 1 from tasks')).rows;
        expect([0, contents.tasks.size]).toContain(moved.length);
        if (moved.length > 0) expect(isMarked(dir, MOVED)).toBe(true);
      },
      async ended({ dir, data, url }) {
        const client = await connect(url);
        const ids = await client.query('select id, phase from tasks order by id');
        const expected = [...contents.tasks.values()].map(({ id, phase }) => ({ id, phase }));
        expect(ids.rows).toEqual(expected.sort((a, b) => (a.id < b.id ? -1 : 1)));
        const { ledger = [] } = rowsOfFull;
        expect((await client.query('select 1 from ledger')).rows).toHaveLength(ledger.length);
        await expectWholeMedia(data);
        await expect(openSqliteStore({ dir, exclusive: true })).rejects.toThrow('was moved into PostgreSQL');
      },
    }));

  it('a recovery continues, and releases each hold once', async () => {
    let expected: unknown;
    await killAnywhere({
      steps: [/BEGIN EXCLUSIVE/, /update tasks/, /SQLite commit/, /rmSync .*backup-to-be-rec/],
      async fresh() {
        const dir = await copyOf(full);
        markFolder(dir, BACKUP, 'as onetake backup does');
        return { args: ['recover'], dir, env: { ONETAKE_DATA_DIR: dir } };
      },
      async ended({ dir }) {
        const rows = await rowsOf(dir);
        expected ??= rows;
        expect(rows).toEqual(expected);
        expect(rows).not.toEqual(rowsOfFull);
      },
    });
  });

  it('a sweep leaves no row without bytes, no bytes without a row, and everything that is not due', async () => {
    const dir = await copyOf(full);
    const [due, kept] = [contents.media.slice(0, 5), contents.media.slice(5)];
    const db = new Database(join(dir, 'onetake.db'));
    const expire = db.prepare('update media set expires_at = ? where id = ?');
    for (const { id } of contents.media) expire.run(LATER * 2, id);
    for (const { id } of due) expire.run(START_OF_TIME, id);
    db.prepare('delete from media where id = ?').run(due[0]?.id);
    db.close();
    // Objects that the database does not know are removed once they are old.
    const age = START_OF_TIME / 1000;
    for (const { storageKey } of contents.media) await utimes(join(dir, 'media', storageKey), age, age);

    await killAnywhere({
      steps: [/^rm video/, /FileHandle\.sync/, /delete from media/],
      async fresh() {
        const copy = await tempFolder();
        await cp(dir, copy, { recursive: true, preserveTimestamps: true });
        return { args: ['sweep', copy, String(LATER)], dir: copy };
      },
      left: ({ dir }) => expectWholeMedia(dir, kept),
      async ended({ dir }) {
        await expectWholeMedia(dir, kept);
        expect((await rowsOf(dir)).media).toHaveLength(kept.length);
        const files = await Array.fromAsync(createFileStorage({ root: join(dir, 'media') }).list());
        expect(files.map(({ key }) => key).sort()).toEqual(kept.map(({ storageKey }) => storageKey).sort());
      },
    });
  });

  it('a video is downloaded, staged and stored completely, and nothing without a row remains', () =>
    killAnywhere({
      steps: [
        /FileHandle\.write$/,
        /^writeFile video.*note/,
        /FileHandle\.sync/,
        /^rename video/,
        /insert into media/,
      ],
      async fresh() {
        const dir = await tempFolder();
        await (await openSqliteStore({ dir, exclusive: true })).close();
        const plan: Plan = { dir, submit: ['plain 1', 'broken-download 2'], find: true, epoch: Date.now() };
        const file = fileURLToPath(new URL('./child.ts', import.meta.url));
        return { file, args: [JSON.stringify(plan)], dir, env: { TMPDIR: dir } };
      },
      async ended({ dir }) {
        // Every file is old by then.
        await run({ args: ['sweep', dir, String(Date.now() + 2 * 86_400_000)] });
        const { tasks = [], media = [] } = await rowsOf(dir);
        expect(tasks).toHaveLength(2);
        for (const task of tasks) expect(OVER).toContain((task as { phase: string }).phase);
        const storage = createFileStorage({ root: join(dir, 'media') });
        const files = await Array.fromAsync(storage.list());
        const keys = (media as { state: string; storage_key: string }[]).map(({ state, storage_key }) => {
          expect(state).toBe('present');
          return storage_key;
        });
        expect(files.map(({ key }) => key).sort()).toEqual(keys.sort());
        for (const { bytes, key } of files) expect(bytes, key).toBe(storedBytes(dir, key));
      },
    }));

  it('a key is created with its entry in the audit log, and revoked with it', () =>
    killAnywhere({
      steps: [/update keys/, /insert into audit/, /SQLite commit/],
      async fresh() {
        const dir = await copyOf(full);
        const [key] = contents.keys;
        return { args: ['keys', 'revoke', key?.id ?? '', '--force'], dir, env: { ONETAKE_DATA_DIR: dir } };
      },
      async left({ dir }) {
        await rowsOf(dir);
        const [revoked, told] = revocations(dir);
        expect(told).toBe(revoked);
      },
      async again({ env }) {
        const [key] = contents.keys;
        await run({ args: ['keys', 'revoke', key?.id ?? '', '--force'], env });
        await run({ args: ['keys', 'create', '--name', 'new'], env });
      },
      async ended({ dir }) {
        const [revoked] = revocations(dir);
        expect(revoked).toBe(contents.keys.length);
      },
    }));
});

function read<T>(dir: string, sql: string, ...values: string[]): T {
  const db = new Database(join(dir, 'onetake.db'), { readonly: true });
  try {
    return db.prepare(sql).pluck().get(values) as T;
  } finally {
    db.close();
  }
}

/** The length of a poster is not stored; that of a video here is 20 bytes. */
const storedBytes = (dir: string, key: string): number =>
  read(dir, 'select coalesce(bytes, 20) from media where storage_key = ?', key);

/** The number of revoked keys, and of their entries in the audit log. */
const revocations = (dir: string): [number, number] => [
  read(dir, 'select count(*) from keys where revoked_at is not null'),
  read(dir, `select count(distinct subject) from audit where action like 'key.revoke%'`),
];
