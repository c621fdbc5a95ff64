import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, PostgresDialect, SqliteDialect } from 'kysely';
import { Migrator } from 'kysely/migration';
import { Pool } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Dialect } from '../../src/store/migrations/dialect.ts';
import { migrationsFor } from '../../src/store/migrations/index.ts';
import { migrateSqlite } from '../../src/store/sqlite/migrations.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store, TaskQuery } from '../../src/store/store.ts';
import {
  type CountedPair,
  countTasks,
  planByCounts,
  type Tables,
  taskList,
} from '../../src/store/taskList.ts';
import { aRequest } from '../support/builders.ts';
import { connect, freshDatabase } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { accepted, moved } from './contract/steps.ts';
import { openStore } from './postgres/openStore.ts';

describe('a list in SQLite reads only what it shows', () => {
  const BY: Readonly<Record<string, string>> = {
    model: 't USING INDEX tasks_by_model (project_id=? AND model=? AND id<?)',
    queued: 't USING INDEX tasks_in_hand (project_id=? AND deleted_at=? AND id<?)',
    'queued model':
      't USING INDEX tasks_in_hand_by_model (project_id=? AND deleted_at=? AND model=? AND id<?)',
    failed: 't USING INDEX tasks_failed (project_id=? AND id<?)',
    'failed model': 't USING INDEX tasks_failed_by_model (project_id=? AND model=? AND id<?)',
    metadata: 'm USING PRIMARY KEY (project_id=? AND name=? AND value=? AND task_id<?)',
  };

  it.each<[Omit<TaskQuery, 'projectId' | 'limit'>, string | undefined]>([
    [{}, 't USING INDEX tasks_by_project (project_id=? AND id<?)'],
    [{ model: 'm' }, BY.model],
    [{ status: 'queued' }, BY.queued],
    [{ status: 'in_progress' }, BY.queued],
    [{ status: 'queued', model: 'm' }, BY['queued model']],
    [{ status: 'in_progress', model: 'm' }, BY['queued model']],
    [{ status: 'failed' }, BY.failed],
    [{ status: 'succeeded' }, BY.failed?.replace('failed', 'succeeded')],
    [{ status: 'failed', model: 'm' }, BY['failed model']],
    [{ status: 'succeeded', model: 'm' }, BY['failed model']?.replace('failed', 'succeeded')],
    [{ metadata: { a: '1' } }, BY.metadata],
    [{ metadata: { a: '1', b: '2' }, model: 'm', status: 'failed' }, BY.metadata],
    [{ metadata: { a: '1' }, status: 'queued' }, BY.queued],
    [{ metadata: { a: '1', b: '2' }, model: 'm', status: 'in_progress' }, BY['queued model']],
  ])('%j', async (filter, first) => {
    const dir = await tempFolder();
    await migrateSqlite(dir);
    const db = new Database(join(dir, 'onetake.db'));
    onTestFinished(() => void db.close());
    const kysely = new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) });
    for (const oldestFirst of [false, true]) {
      const query = { projectId: 'p', limit: 9, after: 'video', ...(oldestFirst ? { oldestFirst } : {}) };
      const { sql, parameters } = taskList(kysely, { ...query, ...filter } as TaskQuery).compile();
      const plan = db.prepare<unknown[], { detail: string }>(`explain query plan ${sql}`).all(...parameters);
      const details = plan.map(({ detail }) => detail);
      expect(details[0]).toBe(`SEARCH ${oldestFirst ? first?.replace(/<\?\)$/, '>?)') : first}`);
      // No other table is read from end to end, and nothing is sorted.
      expect(details.filter((detail) => /^SCAN|TEMP/.test(detail))).toEqual([]);
    }
  });
});

describe('a list in SQLite reads first', () => {
  const query: TaskQuery = { projectId: 'p', limit: 9 };
  const pair = (name: string, count: number, begins = 'a'): CountedPair => ({
    pair: [name, 'v'],
    count,
    begins,
  });
  const firstOf = (counted: readonly CountedPair[], passing = Number.POSITIVE_INFINITY, given = query) =>
    planByCounts(given, counted, passing).first?.[0];

  it('what the fewest tasks have: a pair of metadata, or else what the other filters name', () => {
    expect(firstOf([pair('common', 10), pair('rare', 9)])).toBe('rare');
    expect(firstOf([pair('common', 10), pair('rare', 9)], 9)).toBe('rare');
    expect(firstOf([pair('common', 10), pair('rare', 9)], 8)).toBeUndefined();
    expect(planByCounts(query, [pair('x', 10), pair('y', 9)], 8).others).toHaveLength(2);
    expect(planByCounts(query, [pair('x', 10), pair('y', 9)], 9)).toEqual({
      first: ['y', 'v'],
      others: [['x', 'v']],
    });
  });

  it('of two pairs that are common, the one that begins later in the list', () => {
    const both = [pair('early', 10, 'a'), pair('late', 10, 'b')];
    for (const pairs of [both, both.toReversed()]) {
      expect(firstOf(pairs)).toBe('early');
      expect(firstOf(pairs, 11, { ...query, oldestFirst: true })).toBe('late');
    }
  });

  it.each<[Omit<TaskQuery, 'projectId' | 'limit'>, string]>([
    [{ model: 'm' }, 'tasks_by_model (project_id=? AND model=?)'],
    [{ status: 'failed' }, 'tasks_failed (project_id=?)'],
    [{ status: 'succeeded', model: 'm' }, 'tasks_succeeded_by_model (project_id=? AND model=?)'],
  ])('counts what an index names, and no other rows: %j', async (filter, index) => {
    const dir = await tempFolder();
    await migrateSqlite(dir);
    const db = new Database(join(dir, 'onetake.db'));
    onTestFinished(() => void db.close());
    const kysely = new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) });
    const { sql, parameters } = countTasks(kysely, { ...query, ...filter }, 10).compile();
    const plan = db.prepare<unknown[], { detail: string }>(`explain query plan ${sql}`).all(...parameters);
    const read = plan.map(({ detail }) => detail).filter((detail) => detail.includes(' t '));
    expect(read).toEqual([`SEARCH t USING INDEX ${index}`]);
  });
});

const LAST = '0018_lists';

interface Older {
  readonly run: (sql: string) => Promise<readonly { readonly name?: string }[]>;
  /** Migrates the database, and opens it. */
  readonly open: () => Promise<Store>;
}

async function migrateUntilLast(db: Kysely<unknown>, dialect: Dialect): Promise<void> {
  const names = Object.entries(migrationsFor(dialect)).filter(([name]) => name < LAST);
  const provider = { getMigrations: async () => Object.fromEntries(names) };
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  await db.destroy();
  if (error) throw error;
}

async function olderFolder(): Promise<Older> {
  const dir = await tempFolder();
  const file = join(dir, 'onetake.db');
  await migrateUntilLast(
    new Kysely({ dialect: new SqliteDialect({ database: new Database(file) }) }),
    'sqlite',
  );
  const db = new Database(file);
  onTestFinished(() => void db.close());
  return {
    run: async (sql) => {
      const statement = db.prepare<[], { name?: string }>(sql);
      if (statement.reader) return statement.all();
      statement.run();
      return [];
    },
    async open() {
      const store = await openSqliteStore({ dir, exclusive: true });
      onTestFinished(() => store.close());
      return store;
    },
  };
}

async function olderDatabase(): Promise<Older> {
  const url = await freshDatabase();
  await migrateUntilLast(
    new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: url }) }) }),
    'postgres',
  );
  const client = await connect(url);
  return { run: async (sql) => (await client.query(sql)).rows, open: () => openStore(url) };
}

describe.each([
  ['SQLite', olderFolder],
  ['PostgreSQL', olderDatabase],
])('metadata in %s', (_name, older) => {
  const insert = (id: string, metadata: string) =>
    `insert into tasks (id, project_id, key_id, model, request, phase, version, owner, attempt, created_at, deadline_at, price)
     values ('${id}', 'project', 'key', 'm', '{"model":"m","prompt":"p","duration":4${metadata}}', 'accepted', 1, 'node', 0, 1, 1,
       '{"currency":"USD","microsPerSecond":1,"holdMicros":1}')`;
  const ids = async (store: Store, metadata: Record<string, string>) =>
    (await store.listTasks({ projectId: 'project', limit: 9, metadata })).map(({ id }) => id);

  it('finds tasks that were stored before, and those that nodes of the previous version accept', async () => {
    const { run, open } = await older();
    await run(insert('video_1', String.raw`,"metadata":{"who":"a\"b","n":"1"}`));
    await run(insert('video_2', ''));
    await run(insert('video_3', ',"metadata":{"who":'));
    await run(insert('video_4', ',"metadata":"none"'));
    await run(insert('video_8', ',"metadata":["n"]'));
    const twice = String.raw`,"metadata":{"t":"1","t":"1","\ud800":"1","\ud801":"1"}`;
    await run(insert('video_9', twice));
    await run(insert('video_5', String.raw`,"style":"\u0000 \ud800","metadata":{"n":"1"}`));
    const store = await open();
    await run(insert('video_6', ',"metadata":{"n":"1"}'));
    await run(insert('video_7', ',"metadata":{"n":'));
    await run(insert('video_a', twice));
    expect(await ids(store, { t: '1' })).toEqual(['video_a', 'video_9']);
    expect(await ids(store, { who: 'a"b' })).toEqual(['video_1']);
    expect(await ids(store, { n: '1' })).toEqual(['video_6', 'video_5', 'video_1']);
    expect(await ids(store, { n: '1', who: 'a"b' })).toEqual(['video_1']);
  });

  it('of a deleted task is erased', async () => {
    const { run, open } = await older();
    const store = await open();
    const metadata = { a: '1', b: '2' };
    const task = await accepted(store, { phase: 'failed', request: aRequest({ metadata }) });
    await accepted(store, { request: aRequest({ metadata: { a: '1' } }) });
    expect(await run('select name from task_metadata')).toHaveLength(3);
    await store.commit(moved(task, { type: 'deleted' }));
    expect(await run('select name from task_metadata')).toEqual([{ name: 'a' }]);
  });

  it('may be as long as the API takes it', async () => {
    const store = await (await older()).open();
    const metadata = { ['名'.repeat(64)]: '値'.repeat(512) };
    const task = await accepted(store, { request: aRequest({ metadata }) });
    expect(await ids(store, metadata)).toEqual([task.id]);
  });
});
