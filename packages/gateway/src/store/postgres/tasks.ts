import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { TASK } from '../readRows.ts';
import type { OwnershipStore, TaskQuery, TaskStore } from '../store.ts';
import { ASKED, asksLike, claimOf } from '../submitting.ts';
import type { TaskRow, TaskWithAttempt } from '../tables.ts';
import { behind, type Tables, taskList } from '../taskList.ts';
import type { PostgresParts } from './pool.ts';
import { SQL, TASKS_IN_MESSAGE } from './statements.ts';
import type { Writes } from './writes.ts';

export function postgresTasks({ connections, rows }: PostgresParts, writes: Writes): TaskStore {
  const { run, read, transaction } = connections;
  const lists = queryBuilder();

  function list(query: TaskQuery): Promise<TaskWithAttempt[]> {
    const { sql, parameters } = taskList(lists, query).compile();
    return read({ text: sql }, parameters);
  }

  return {
    accept: writes.accept,
    async acceptedUnder(projectId, key, now) {
      const [row] = await read<TaskWithAttempt & { body_hash: string }>(SQL.remembered, [
        projectId,
        key,
        now,
      ]);
      return row && { task: rows.one(TASK, row), bodyHash: row.body_hash };
    },
    commit: (move, media = []) => writes.commit(move, media),
    intend: writes.intend,
    claim(move) {
      const { accountId, upstreamId, number } = claimOf(move);
      return transaction(async (inside) => {
        await inside(SQL.lockJob, [accountId, upstreamId]);
        // A statement of its own, so that it sees what the previous holder of the lock has written.
        const others = await inside(SQL.otherAttemptByUpstream, [
          accountId,
          upstreamId,
          move.task.id,
          number,
        ]);
        if (others.length > 0) return 'taken';
        return (await writes.commitWith(inside, move)) ? 'claimed' : 'lost';
      });
    },
    async task(id) {
      const [row] = await read<TaskWithAttempt>(SQL.task, [id]);
      return row && rows.one(TASK, row);
    },
    tasks: async (ids) => rows.all(TASK, await read<TaskWithAttempt>(SQL.tasks, [ids])),
    async versions(ids) {
      const rows = await read<{ id: string; version: number }>(SQL.versions, [ids]);
      return new Map(rows.map(({ id, version }) => [id, version]));
    },
    listTasks: (query) =>
      rows.page(TASK, query.limit, (limit, before) => list({ ...query, ...behind(before), limit })),
    async submittingLike(task) {
      const { accountId = '', upstreamModel = '' } = task.attempt ?? {};
      const others = rows.all(
        ASKED,
        await read<Pick<TaskRow, 'id' | 'version' | 'owner' | 'request'>>(SQL.submittingLike, [
          accountId,
          upstreamModel,
          task.id,
        ]),
      );
      return others.filter(asksLike(task)).map(({ id, version, owner }) => ({ id, version, owner }));
    },
    submittedLike: async ({ accountId, findVersion, upstreamModel }, limit) =>
      rows.all(
        TASK,
        await read<TaskWithAttempt>(SQL.submittedLike, [accountId, findVersion, upstreamModel, limit]),
      ),
    expiredSince: async (since, limit) =>
      rows.all(TASK, await read<TaskWithAttempt>(SQL.expired, [since, limit])),
    isKnownUpstream: async (accountId, upstreamId) =>
      (await read(SQL.attemptByUpstream, [accountId, upstreamId])).length > 0,
    async removeExpiredIdempotency(now, limit) {
      const [row] = await run<{ removed: number }>(SQL.removeIdempotency, [now, limit]);
      return row?.removed ?? 0;
    },
  };
}

export function postgresOwnership({ connections, rows, node }: PostgresParts): OwnershipStore {
  const { run, read } = connections;
  return {
    adopt: (owner, limit) => rows.page(TASK, limit, (count) => run(SQL.adopt, [owner, count])),
    async loads() {
      const rows = await read<{ owner: string; load: number }>(SQL.loads);
      return new Map(rows.map(({ owner, load }) => [owner, load]));
    },
    owned: (owner, limit, after = '') =>
      rows.page(TASK, limit, (count, before) => read(SQL.owned, [owner, before.at(-1)?.id ?? after, count])),
    async transfer(from, to, tasks) {
      const given: string[] = [];
      for (let at = 0; at < tasks.length; at += TASKS_IN_MESSAGE) {
        const some = tasks.slice(at, at + TASKS_IN_MESSAGE);
        const [row] = await run<{ ids: string[] }>(SQL.transfer, [
          from,
          to,
          some.map(({ id }) => id),
          some.map(({ version }) => version),
          node(),
        ]);
        given.push(...(row?.ids ?? []));
      }
      return given;
    },
  };
}

/** Builds SQL without running it: all statements go through the store's connections. */
function queryBuilder(): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
}
