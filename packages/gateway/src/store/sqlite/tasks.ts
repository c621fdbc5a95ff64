import type { Database } from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { TASK } from '../readRows.ts';
import type { OwnershipStore, TaskQuery, TaskStore } from '../store.ts';
import { ASKED, asksLike, claimOf } from '../submitting.ts';
import {
  anyPlan,
  behind,
  countTasks,
  type ListPlan,
  planByCounts,
  type Tables,
  taskList,
} from '../taskList.ts';
import type { SqliteParts } from './parts.ts';

/** Up to so many are counted, which takes about a millisecond. What more tasks have is common: a page of a list is soon full. */
const COUNTED = 2000;

export function sqliteTasks({ sql, rows, read, write }: SqliteParts, database: Database): TaskStore {
  // Only writes the statements of lists.
  const kysely = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });

  /** SQLite knows nothing of how often a value is there, so that is counted if there is a choice. */
  async function planOf(query: TaskQuery): Promise<ListPlan> {
    const { projectId, metadata = {}, model, status, oldestFirst } = query;
    const plan = anyPlan(query);
    const isFiltered = model !== undefined || status !== undefined;
    if (plan.first === undefined || (plan.others.length === 0 && !isFiltered)) return plan;
    const pairs = Object.entries(metadata);
    const having = await read.havingMetadata(projectId, pairs, COUNTED);
    const counted = pairs.map((pair, n) => {
      const begins = (oldestFirst ? having[n]?.oldest : having[n]?.newest) ?? '';
      return { pair, count: having[n]?.count ?? 0, begins };
    });
    if (!isFiltered) return planByCounts(query, counted, Number.POSITIVE_INFINITY);
    const passing = countTasks(kysely, query, Math.min(...counted.map(({ count }) => count))).compile();
    return planByCounts(query, counted, await read.tasksCounted(passing.sql, passing.parameters));
  }

  return {
    async accept(acceptance) {
      const accepted = await write.accept(acceptance);
      return accepted.outcome === 'replayed'
        ? { outcome: 'replayed', task: rows.one(TASK, accepted.row) }
        : accepted;
    },
    async acceptedUnder(projectId, key, now) {
      const record = sql.idempotency.get(projectId, key, now);
      const row = record && sql.task.get(record.task_id);
      return record && row && { task: rows.one(TASK, row), bodyHash: record.body_hash };
    },
    commit: (move, media = []) => write.commit(move, media),
    // The only node counts its places in memory.
    intend: async (move) => ((await write.commit(move, [])) ? 'written' : 'lost'),
    claim: async (move) => write.claim(move, claimOf(move)),
    async task(id) {
      const row = sql.task.get(id);
      return row && rows.one(TASK, row);
    },
    async tasks(ids) {
      return rows.all(TASK, await read.tasksById(ids));
    },
    async versions(ids) {
      return new Map((await read.versions(ids)).map(({ id, version }) => [id, version]));
    },
    async listTasks(query) {
      const plan = await planOf(query);
      return rows.page(TASK, query.limit, (limit, before) => {
        const list = taskList(kysely, { ...query, ...behind(before), limit }, plan).compile();
        return read.tasksListed(list.sql, list.parameters);
      });
    },
    async submittingLike(task) {
      const { accountId = '', upstreamModel = '' } = task.attempt ?? {};
      const others = rows.all(ASKED, await read.submittingAt(accountId, upstreamModel, task.id));
      return others.filter(asksLike(task)).map(({ id, version, owner }) => ({ id, version, owner }));
    },
    submittedLike: async ({ accountId, findVersion, upstreamModel }, limit) =>
      rows.all(TASK, await read.submittedLike(accountId, findVersion, upstreamModel, limit)),
    async expiredSince(since, limit) {
      return rows.all(TASK, await read.expiredSince(since, limit));
    },
    async isKnownUpstream(accountId, upstreamId) {
      return sql.attemptByUpstream.get(accountId, upstreamId) !== undefined;
    },
    removeExpiredIdempotency: write.removeExpiredIdempotency,
  };
}

export function sqliteOwnership({ rows, read, write }: SqliteParts): OwnershipStore {
  return {
    adopt: (owner, limit) => rows.page(TASK, limit, (count) => write.adopt(owner, count)),
    async loads() {
      return new Map((await read.loads()).map(({ owner, load }) => [owner, load]));
    },
    async owned(owner, limit, after = '') {
      return rows.page(TASK, limit, (count, before) => read.owned(owner, before.at(-1)?.id ?? after, count));
    },
    transfer: write.transfer,
  };
}
