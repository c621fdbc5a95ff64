import type { Database } from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { eventOf } from '../../tasks/events.ts';
import type { Move } from '../../tasks/lifecycle.ts';
import type { Task } from '../../tasks/task.ts';
import { acceptedBefore } from '../accepting.ts';
import { TASK } from '../readRows.ts';
import type { Acceptance, Accepted, MediaRow, OwnershipStore, TaskQuery, TaskStore } from '../store.ts';
import { ASKED, asksLike, claimOf } from '../submitting.ts';
import { mediaToRow, type TaskWithAttempt } from '../tables.ts';
import {
  anyPlan,
  behind,
  countTasks,
  type ListPlan,
  planByCounts,
  type Tables,
  taskList,
} from '../taskList.ts';
import { webhookOf } from '../webhooks.ts';
import type { SqliteParts } from './parts.ts';

/** The writes of a task, each within a transaction. */
function createTaskWrites({ sql, rows, onDelivery }: SqliteParts) {
  function writeLedger(task: Task, rows: Move['ledger'], at: number): void {
    for (const row of rows) {
      sql.insertLedger.run({
        task_id: task.id,
        kind: row.kind,
        project_id: task.projectId,
        key_id: task.keyId,
        amount_micros: row.amountMicros,
        currency: task.price.currency,
        created_at: at,
      });
    }
  }

  function accept({ task, ledger, media, idempotency }: Acceptance): Accepted {
    if (idempotency) {
      const earlier = sql.idempotency.get(task.projectId, idempotency.key, task.createdAt);
      if (earlier && earlier.task_id !== task.id) {
        if (earlier.body_hash !== idempotency.bodyHash) return { outcome: 'conflict' };
        const row = sql.task.get(earlier.task_id);
        if (row) return { outcome: 'replayed', task: rows.one(TASK, row) };
      }
      sql.putIdempotency.run({
        project_id: task.projectId,
        key: idempotency.key,
        body_hash: idempotency.bodyHash,
        task_id: task.id,
        expires_at: idempotency.expiresAt,
      });
    }
    if (!sql.insertTask(task)) {
      const row = sql.task.get(task.id);
      if (!row) throw new Error(`task ${task.id} vanished inside a transaction`);
      return acceptedBefore(rows.one(TASK, row), task);
    }
    writeLedger(task, ledger, task.createdAt);
    for (const row of media) sql.putMedia.run(mediaToRow(row));
    return { outcome: 'accepted' };
  }

  function commit(move: Move, media: readonly MediaRow[]): boolean {
    const { at, from, task, ledger } = move;
    if (!sql.updateTask(task, from)) return false;
    if (task.attempt) sql.putAttempt(task.id, task.attempt);
    if (task.deletedAt !== undefined && task.attempt) sql.eraseDetails.run(task.id, task.attempt.number);
    if (task.deletedAt !== undefined) {
      sql.eraseEvents.run(task.id);
      sql.eraseDeliveries.run(task.id);
    }
    const event = eventOf(move);
    if (event && sql.putEvent(event) && sql.putDeliveries(event, webhookOf(event, task)) > 0) onDelivery();
    writeLedger(task, ledger, at);
    for (const row of media) sql.putMedia.run(mediaToRow(row));
    return true;
  }

  function claim(move: Move): 'claimed' | 'taken' | 'lost' {
    const { accountId, upstreamId, number } = claimOf(move);
    if (sql.otherAttemptByUpstream.get(accountId, upstreamId, move.task.id, number)) return 'taken';
    return commit(move, []) ? 'claimed' : 'lost';
  }

  return { accept, commit, claim };
}

/** Up to so many are counted, which takes about a millisecond. What more tasks have is common: a page of a list is soon full. */
const COUNTED = 2000;

export function sqliteTasks(parts: SqliteParts, db: Database): TaskStore {
  const { sql, rows, inGroup } = parts;
  const { accept, commit, claim } = createTaskWrites(parts);
  const kysely = new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) });

  /** SQLite knows nothing of how often a value is there, so that is counted if there is a choice. */
  async function planOf(query: TaskQuery): Promise<ListPlan> {
    const { projectId, metadata = {}, model, status, oldestFirst } = query;
    const plan = anyPlan(query);
    const isFiltered = model !== undefined || status !== undefined;
    if (plan.first === undefined || (plan.others.length === 0 && !isFiltered)) return plan;
    const counted = Object.entries(metadata).map(([name, value]) => {
      const having = sql.havingMetadata.get({ projectId, name, value, most: COUNTED });
      const begins = (oldestFirst ? having?.oldest : having?.newest) ?? '';
      return { pair: [name, value] as const, count: having?.count ?? 0, begins };
    });
    const fewest = Math.min(...counted.map(({ count }) => count));
    const [passing] = isFiltered ? await countTasks(kysely, query, fewest).execute() : [];
    return planByCounts(query, counted, passing?.count ?? Number.POSITIVE_INFINITY);
  }

  return {
    accept: (acceptance) => inGroup(() => accept(acceptance)),
    async acceptedUnder(projectId, key, now) {
      const record = sql.idempotency.get(projectId, key, now);
      const row = record && sql.task.get(record.task_id);
      return record && row && { task: rows.one(TASK, row), bodyHash: record.body_hash };
    },
    commit: (move, media = []) => inGroup(() => commit(move, media)),
    // The only node counts its places in memory.
    intend: async (move) => ((await inGroup(() => commit(move, []))) ? 'written' : 'lost'),
    claim: (move) => inGroup(() => claim(move)),
    async task(id) {
      const row = sql.task.get(id);
      return row && rows.one(TASK, row);
    },
    async tasks(ids) {
      return rows.all(TASK, sql.tasks.all(JSON.stringify(ids)));
    },
    async versions(ids) {
      return new Map(sql.versions.all(JSON.stringify(ids)).map(({ id, version }) => [id, version]));
    },
    async listTasks(query) {
      const plan = await planOf(query);
      return rows.page(TASK, query.limit, (limit, before) =>
        taskList(kysely, { ...query, ...behind(before), limit }, plan).execute(),
      );
    },
    async submittingLike(task) {
      const { accountId = '', upstreamModel = '' } = task.attempt ?? {};
      const others = rows.all(ASKED, sql.submittingAt.all(accountId, upstreamModel, task.id));
      return others.filter(asksLike(task)).map(({ id, version, owner }) => ({ id, version, owner }));
    },
    submittedLike: async ({ accountId, findVersion, upstreamModel }, limit) =>
      rows.all(TASK, sql.submittedLike.all(accountId, findVersion, upstreamModel, limit)),
    async expiredSince(since, limit) {
      const expired = sql.expired.all(since, limit).flatMap(({ task_id }) => sql.task.get(task_id) ?? []);
      return rows.all(TASK, expired);
    },
    async isKnownUpstream(accountId, upstreamId) {
      return sql.attemptByUpstream.get(accountId, upstreamId) !== undefined;
    },
    removeExpiredIdempotency: (now, limit) => inGroup(() => sql.removeIdempotency.run(now, limit).changes),
  };
}

export function sqliteOwnership({ sql, rows, inGroup }: SqliteParts): OwnershipStore {
  function takeOrphans(owner: string, limit: number): readonly TaskWithAttempt[] {
    return sql.orphans.all(owner, limit).flatMap(({ id }) => {
      sql.takeOver.run(owner, id);
      return sql.task.get(id) ?? [];
    });
  }

  return {
    adopt: (owner, limit) => rows.page(TASK, limit, (count) => inGroup(() => takeOrphans(owner, count))),
    async loads() {
      return new Map(sql.loads.all().map(({ owner, load }) => [owner, load]));
    },
    async owned(owner, limit, after = '') {
      return rows.page(TASK, limit, (count, before) =>
        sql.owned.all(owner, before.at(-1)?.id ?? after, count),
      );
    },
    transfer: (from, to, tasks) =>
      inGroup(() =>
        tasks.flatMap(({ id, version }) =>
          sql.transfer.run(to, from, id, version).changes === 1 ? [id] : [],
        ),
      ),
  };
}
