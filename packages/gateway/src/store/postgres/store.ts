import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import type { Log } from '../../observability/log.ts';
import { type AccountColumns, type AccountCount, accountRows } from '../accountRows.ts';
import { createRowReader, KEY, MEDIA, TASK } from '../readRows.ts';
import type { Store, TaskQuery } from '../store.ts';
import { ASKED, asksLike, claimOf } from '../submitting.ts';
import {
  type KeyTableRow,
  keyToRow,
  type LedgerTableRow,
  ledgerFromRow,
  type MediaTableRow,
  type TaskRow,
  type TaskWithAttempt,
} from '../tables.ts';
import { behind, metadataInPostgres, scanMetadata, type Tables, taskList } from '../taskList.ts';
import { shareAccounts } from './accountShares.ts';
import { checkWrites, createSpaceWatch } from './check.ts';
import { isBadValue, unusableDatabase } from './errors.ts';
import { migratePostgres } from './migrations.ts';
import { openConnections } from './pool.ts';
import { SQL, TASKS_IN_MESSAGE } from './statements.ts';
import { jsonRows } from './text.ts';
import { createWrites, mediaRows } from './writes.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; may lead through a pooler in transaction mode. */
  readonly url: string;
  /** Whose name writes are told under; read at each write. */
  readonly cluster: { readonly node: string };
  /** Connections at a time. */
  readonly poolSize: number;
  /** Whether the server may keep plans by name: not through a pooler that knows no names. */
  readonly namedStatements: boolean;
  /** Uses after which a connection is closed; no limit unless told. */
  readonly usesPerConnection?: number;
  /** Longest wait for an answer, milliseconds. Default: 15 seconds. */
  readonly answerTimeoutMs?: number;
  readonly log?: Pick<Log, 'warn' | 'error'>;
}

/** Batches of one kind on their way at a time, at most. More would only be smaller. */
const MOST_BATCHES = 8;

/** The store that many nodes share: PostgreSQL 14 or newer. Migrates it if need be. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const space = createSpaceWatch();
  const connections = openConnections({ ...options, size: options.poolSize, onError: space.note });
  const { run, read, transaction } = connections;
  const check = () => checkWrites(connections, space);
  try {
    await migratePostgres(options.url);
    await check();
  } catch (error) {
    await connections.close();
    throw unusableDatabase(options.url, error);
  }
  const rows = createRowReader(options.log);
  const writes = createWrites({
    connections,
    rows,
    node: () => options.cluster.node,
    // Acceptances and moves together leave a fifth of the connections to those who read.
    concurrency: Math.max(1, Math.min(MOST_BATCHES, Math.floor(options.poolSize * 0.4))),
  });
  const lists = queryBuilder();

  function list(query: TaskQuery): Promise<TaskWithAttempt[]> {
    const { sql, parameters } = taskList(lists, query, metadataInPostgres).compile();
    return read({ text: sql }, parameters);
  }

  const tasksOf = (found: readonly TaskWithAttempt[]) => rows.all(TASK, found);

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
    claim(move) {
      const { accountId, upstreamId, number } = claimOf(move);
      return transaction(async (inside) => {
        await inside(SQL.lockJob, [accountId, upstreamId]);
        // Its own statement, so that it sees what the one who held the lock before has written.
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
    tasks: async (ids) => tasksOf(await read(SQL.tasks, [ids])),
    async versions(ids) {
      const rows = await read<{ id: string; version: number }>(SQL.versions, [ids]);
      return new Map(rows.map(({ id, version }) => [id, version]));
    },
    listTasks: (query) =>
      rows.page(TASK, query.limit, async (limit, before) => {
        const page = { ...query, ...behind(before), limit };
        try {
          return await list(page);
        } catch (error) {
          if (!page.metadata || !isBadValue(error)) throw error;
          return await scanMetadata(page, page.metadata, list);
        }
      }),
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
        const [row] = await run<{ ids: string[] }>(SQL.give, [
          from,
          to,
          some.map(({ id }) => id),
          some.map(({ version }) => version),
          options.cluster.node,
        ]);
        given.push(...(row?.ids ?? []));
      }
      return given;
    },
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

    async ledger(taskId) {
      return (await read<LedgerTableRow>(SQL.ledger, [taskId])).map(ledgerFromRow);
    },
    shareAccounts: (node, reports) =>
      transaction((inside) =>
        shareAccounts(
          { query: async (text, values) => ({ rows: await inside({ text }, values) }) },
          node,
          reports,
        ),
      ),
    async accounts() {
      const [states, counts] = await Promise.all([
        read<AccountColumns>(SQL.accountStates),
        read<AccountCount>(SQL.accountCounts),
      ]);
      return accountRows(states, counts);
    },
    retryAccount: async (id, audit) =>
      (await run(SQL.retryAccount, [id, JSON.stringify(audit), options.cluster.node])).length > 0,
    expiredSince: async (since, limit) => tasksOf(await read(SQL.expired, [since, limit])),
    isKnownUpstream: async (accountId, upstreamId) =>
      (await read(SQL.attemptByUpstream, [accountId, upstreamId])).length > 0,

    async putMedia(media) {
      await run(SQL.putMedia, [jsonRows(mediaRows(0, media))]);
    },
    async media(id) {
      const [row] = await read<MediaTableRow>(SQL.media, [id]);
      return row && rows.one(MEDIA, row);
    },
    sweepable: (now, pendingBefore, limit, except = []) =>
      rows.page(MEDIA, limit, (count, before) =>
        read(SQL.sweepable, [now, pendingBefore, [...except, ...before.map(({ id }) => id)], count]),
      ),
    async mediaKeys(ids) {
      const found = await read<{ id: string; storage_key: string }>(SQL.mediaKeys, [ids]);
      return new Map(found.map(({ id, storage_key }) => [id, storage_key]));
    },
    mediaOf: async (taskId) => rows.all(MEDIA, await read<MediaTableRow>(SQL.mediaOf, [taskId])),
    async removeMedia(ids) {
      await run(SQL.removeMedia, [ids]);
    },
    markDamaged: async (id, storageKey, now) =>
      (await run(SQL.markDamaged, [id, storageKey, now])).length === 1,
    mediaToRepair: async (before, after, limit) =>
      rows.all(MEDIA, await read<MediaTableRow>(SQL.mediaToRepair, [before, after, limit])),
    mediaToCheck: async (before) => rows.all(MEDIA, await read<MediaTableRow>(SQL.mediaToCheck, [before]))[0],
    async markChecked(id, at) {
      await run(SQL.markChecked, [id, at]);
    },
    async removeExpiredIdempotency(now, limit) {
      const [row] = await run<{ removed: number }>(SQL.removeIdempotency, [now, limit]);
      return row?.removed ?? 0;
    },

    async putKey(key, audit) {
      await run(SQL.putKey, [...Object.values(keyToRow(key)), JSON.stringify(audit), options.cluster.node]);
    },
    async keyByHash(hash) {
      const [row] = await read<KeyTableRow>(SQL.keyByHash, [hash]);
      return row && rows.one(KEY, row);
    },
    listKeys: async () => rows.all(KEY, await read<KeyTableRow>(SQL.keys)),
    async revokeKey(id, at, audit, { force = false } = {}) {
      await run(SQL.revokeKey, [id, at, JSON.stringify(audit), options.cluster.node, force]);
      const [row] = await read<KeyTableRow>(SQL.keyById, [id]);
      return row && rows.one(KEY, row);
    },
    async restoreKey(id, audit) {
      await run(SQL.restoreKey, [id, JSON.stringify(audit), options.cluster.node]);
    },

    async secret(name, make) {
      // Of nodes that start at once one writes; a second statement sees whose value stands.
      await run(SQL.putSecret, [name, make()]);
      const [row] = await read<{ value: string }>(SQL.secret, [name]);
      return row?.value ?? '';
    },

    // Other nodes tell that keys changed (`cluster.ts`); there is nothing to look for here.
    onExternalChange: () => () => undefined,
    unreadable: () => rows.unreadable,
    check,
    async close() {
      await writes.close();
      await connections.close();
    },
  };
}

/** Makes SQL and runs none: every statement goes through the same connections. */
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
