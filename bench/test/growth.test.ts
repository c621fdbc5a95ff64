import { join } from 'node:path';
import type { Task } from '@onetake/gateway';
import { expect, test } from 'vitest';
import { ENDS, writeTask } from '../growth/oneTask.ts';
import { FILLED, type RowsOptions, rowsLike } from '../growth/rows.ts';
import { type Kind, type Opened, withStores } from '../shared/stores.ts';

const COUNT = 40;
const BEGAN = 1_780_000_000_000;
const STEP = 70_000;
const OPTIONS: RowsOptions = {
  began: BEGAN,
  step: STEP,
  // So that what is recent can be compared with what the store writes.
  recentAt: `${BEGAN} + cast(n as bigint) * ${STEP}`,
  running: 'n >= 2 and n < 5',
  failed: 'n < 2 or n % 20 = 0',
  rare: 'n < 2',
};

/** What a database has beside rows. */
const SCHEMA: Readonly<Record<Kind, string>> = {
  SQLite: 'select name, sql from sqlite_master order by name',
  PostgreSQL: `
    select indexname as name, indexdef as sql from pg_indexes where schemaname = 'public'
    union all select conname, pg_get_constraintdef(oid) from pg_constraint order by 1, 2`,
};

async function filled(kind: Kind, opened: Opened) {
  const rows = await rowsLike(kind, opened.store, opened, OPTIONS);
  const schema = await opened.read([SCHEMA[kind]]);
  // In two parts, as the bench does.
  const relations = [opened.numbers(15), opened.numbers(COUNT - 15, 15)];
  for (const relation of relations)
    await opened.fill(
      FILLED,
      [...rows.all, ...rows.recent].map(({ head, select }) =>
        kind === 'SQLite' ? `${head} ${relation} ${select}` : `${relation} ${head} ${select}`,
      ),
    );
  expect(await opened.read([SCHEMA[kind]])).toEqual(schema);
  return { store: await opened.reopen(), idOf: rows.idOf };
}

/** The rows of a task in every table, but for what the database and hashes assign. */
async function rowsOf({ read }: Opened, id: string) {
  const columnOf = (table: string) => (table === 'tasks' ? 'id' : 'task_id');
  const all = await read(FILLED.map((table) => `select * from ${table} where ${columnOf(table)} = '${id}'`));
  return all.map((rows, n) =>
    rows
      .map(({ seq: _, tx: __, ...row }) => JSON.stringify(FILLED[n] === 'events' ? { ...row, id: '' } : row))
      .toSorted(),
  );
}

const variedOf = ({ id, projectId, keyId, request, createdAt, attempt, result }: Task) => ({
  id,
  projectId,
  keyId,
  model: request.model,
  user: request.metadata?.user ?? '',
  accountId: attempt?.accountId ?? '',
  idempotencyKey: attempt?.idempotencyKey ?? '',
  upstreamId: attempt?.upstreamId ?? '',
  videoId: result?.videoId ?? '',
  posterId: result?.posterId ?? '',
  sha256: /signature=(\w+)/.exec(attempt?.upstreamResult?.ref ?? '')?.[1] ?? '',
  at: createdAt,
});

test.each<Kind>(['SQLite', 'PostgreSQL'])(
  '%s: rows that the bench of growth makes are those that the store would write',
  async (kind) => {
    await withStores(
      join(import.meta.dirname, '../..'),
      async (_, opened) => {
        const { store, idOf } = await filled(kind, opened);
        const ids = Array.from({ length: COUNT }, (_, n) => idOf(n));
        const made = await store.tasks(ids);
        expect(made.map(({ id }) => id).toSorted()).toEqual(ids);
        const listed = { projectId: 'large', limit: 100 };
        expect((await store.listTasks({ ...listed, model: 'rare' })).map(({ id }) => id)).toEqual(
          ids.slice(0, 2).toReversed(),
        );
        expect(await store.listTasks({ ...listed, metadata: { plan: 'pro', user: '0' } })).toHaveLength(
          COUNT,
        );
        expect(await store.listTasks({ ...listed, status: 'in_progress' })).toHaveLength(3);
        expect(await store.listTasks({ ...listed, status: 'failed' })).toHaveLength(3);

        for (const n of [0, 3, 7, 20, COUNT - 1]) {
          const task = await store.task(idOf(n));
          if (!task) throw new Error(`task ${n} is missing`);
          const rows = await rowsOf(opened, task.id);
          const parts = FILLED.filter((name) => name !== 'tasks' && name !== 'task_metadata');
          await opened.run(
            parts.map((table) => `delete from ${table} where task_id = '${task.id}'`).join(';'),
          );
          await opened.run(`delete from tasks where id = '${task.id}'`);
          const end = ENDS.find((name) => name === task.phase) ?? 'running';
          expect(await writeTask(store, end, variedOf(task))).toEqual(task);
          expect(rows).toEqual(await rowsOf(opened, task.id));
        }
      },
      kind,
    );
  },
  60_000,
);
