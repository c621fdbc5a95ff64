import type { Database } from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Log } from '../../observability/log.ts';
import type { Move } from '../../tasks/lifecycle.ts';
import type { Task } from '../../tasks/task.ts';
import { acceptedBefore } from '../accepting.ts';
import { watchFiles } from '../folder/files.ts';
import { explainedFolder, lockFolder } from '../folder/lock.ts';
import { refuseBackupFolder, refuseMovedFolder } from '../folder/marks.ts';
import { createRowReader, KEY, MEDIA, TASK } from '../readRows.ts';
import type { Acceptance, Accepted, AuditRow, KeyRow, MediaRow, Store, TaskQuery } from '../store.ts';
import { ASKED, asksLike, claimOf } from '../submitting.ts';
import { keyToRow, ledgerFromRow, mediaToRow, type TaskWithAttempt } from '../tables.ts';
import { behind, metadataInSqlite, type Tables, taskList } from '../taskList.ts';
import { accountsInSqlite } from './accounts.ts';
import { makeFolder, openSqliteFile, sqlitePath } from './file.ts';
import { createGroupCommit } from './groupCommit.ts';
import { migrateDatabase } from './migrations.ts';
import { prepareStatements } from './statements.ts';

export interface SqliteOptions {
  /** The data folder; made where it is missing. */
  readonly dir: string;
  /** True for the gateway, which must be the folder's only driver; false for the command line beside it. */
  readonly exclusive: boolean;
  /** Opens a backup that was not recovered yet, in order to do so. */
  readonly recovering?: boolean;
  /** How often to look for another process's writes, in milliseconds. */
  readonly foreignChangeMs?: number;
  /** How long a write waits for another process that has the file locked, milliseconds. */
  readonly lockPatienceMs?: number;
  readonly log?: Pick<Log, 'error'>;
}

/** The embedded store: one SQLite file, WAL, `synchronous=FULL`, group commit. */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  makeFolder(options.dir);
  const lock = options.exclusive ? lockFolder(options.dir) : undefined;
  try {
    // Under the lock, since an import or a backup that holds it may be marking the folder at this moment.
    refuseMovedFolder(options.dir);
    if (options.exclusive && !options.recovering) refuseBackupFolder(options.dir);
    return await openLocked(options, () => lock?.release());
  } catch (error) {
    lock?.release();
    throw explainedFolder(options.dir, error);
  }
}

async function openLocked(options: SqliteOptions, unlock: () => void): Promise<Store> {
  const db = await openSqliteFile(options.dir);
  try {
    await migrateDatabase(new Kysely<unknown>({ dialect: new SqliteDialect({ database: db }) }));
    return storeOn(db, options, unlock);
  } catch (error) {
    db.close();
    throw error;
  }
}

function storeOn(db: Database, options: SqliteOptions, unlock: () => void): Store {
  const kysely = new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) });
  const sql = prepareStatements(db);
  const accounts = accountsInSqlite(db);
  const inGroup = createGroupCommit(db, {
    ...options,
    requireWritable: watchFiles([sqlitePath(options.dir), `${sqlitePath(options.dir)}-wal`]),
  });
  const rows = createRowReader(options.log);

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

  function writeAudit(row: AuditRow): void {
    sql.insertAudit.run(row);
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

  function commit({ at, from, task, ledger }: Move, media: readonly MediaRow[]): boolean {
    if (!sql.updateTask(task, from)) return false;
    if (task.attempt) sql.putAttempt(task.id, task.attempt);
    writeLedger(task, ledger, at);
    for (const row of media) sql.putMedia.run(mediaToRow(row));
    return true;
  }

  function claim(move: Move): 'claimed' | 'taken' | 'lost' {
    const { accountId, upstreamId, number } = claimOf(move);
    if (sql.otherAttemptByUpstream.get(accountId, upstreamId, move.task.id, number)) return 'taken';
    return commit(move, []) ? 'claimed' : 'lost';
  }

  function takeOrphans(owner: string, limit: number): readonly TaskWithAttempt[] {
    return sql.orphans.all(owner, limit).flatMap(({ id }) => {
      sql.takeOver.run(owner, id);
      return sql.task.get(id) ?? [];
    });
  }

  const timers = new Set<NodeJS.Timeout>();

  return {
    accept: (acceptance) => inGroup(() => accept(acceptance)),
    async acceptedUnder(projectId, key, now) {
      const record = sql.idempotency.get(projectId, key, now);
      const row = record && sql.task.get(record.task_id);
      return record && row && { task: rows.one(TASK, row), bodyHash: record.body_hash };
    },
    commit: (move, media = []) => inGroup(() => commit(move, media)),
    claim: (move) => inGroup(() => claim(move)),

    async task(id) {
      const row = sql.task.get(id);
      return row && rows.one(TASK, row);
    },
    async versions(ids) {
      return new Map(sql.versions.all(JSON.stringify(ids)).map(({ id, version }) => [id, version]));
    },
    async tasks(ids) {
      return rows.all(TASK, sql.tasks.all(JSON.stringify(ids)));
    },
    listTasks: (query: TaskQuery) =>
      rows.page(TASK, query.limit, (limit, before) =>
        taskList(kysely, { ...query, ...behind(before), limit }, metadataInSqlite).execute(),
      ),
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
        tasks.flatMap(({ id, version }) => (sql.give.run(to, from, id, version).changes === 1 ? [id] : [])),
      ),
    async submittingLike(task) {
      const { accountId = '', upstreamModel = '' } = task.attempt ?? {};
      const others = rows.all(ASKED, sql.submittingAt.all(accountId, upstreamModel, task.id));
      return others.filter(asksLike(task)).map(({ id, version, owner }) => ({ id, version, owner }));
    },
    shareAccounts: async (_node, reports) => {
      const share = () => accounts.share(reports, Date.now());
      return reports.some(({ trouble }) => trouble) ? inGroup(share) : share();
    },
    accounts: async () => accounts.list(),
    retryAccount: (id, audit) =>
      inGroup(() => {
        const tried = accounts.retry(id);
        if (tried) writeAudit(audit);
        return tried;
      }),
    async ledger(taskId) {
      return sql.ledger.all(taskId).map(ledgerFromRow);
    },

    async expiredSince(since, limit) {
      const expired = sql.expired.all(since, limit).flatMap(({ task_id }) => sql.task.get(task_id) ?? []);
      return rows.all(TASK, expired);
    },
    async isKnownUpstream(accountId, upstreamId) {
      return sql.attemptByUpstream.get(accountId, upstreamId) !== undefined;
    },

    putMedia: (rows) =>
      inGroup(() => {
        for (const row of rows) sql.putMedia.run(mediaToRow(row));
      }),
    async media(id) {
      const row = sql.media.get(id);
      return row && rows.one(MEDIA, row);
    },
    async mediaKeys(ids) {
      return new Map(sql.mediaKeys.all(JSON.stringify(ids)).map(({ id, storage_key }) => [id, storage_key]));
    },
    sweepable: (now, pendingBefore, limit, except = []) =>
      rows.page(MEDIA, limit, (count, before) => {
        const passedOver = JSON.stringify([...except, ...before.map(({ id }) => id)]);
        return sql.sweepable.all(now, pendingBefore, passedOver, count);
      }),
    async mediaOf(taskId) {
      return rows.all(MEDIA, sql.mediaOf.all(taskId));
    },
    removeMedia: (ids) =>
      inGroup(() => {
        for (const id of ids) sql.removeMedia.run(id);
      }),
    markDamaged: (id, storageKey, now) =>
      inGroup(() => sql.markDamaged.run(id, storageKey, now).changes === 1),
    async mediaToRepair(before, after, limit) {
      return rows.all(MEDIA, sql.mediaToRepair.all(before, after, limit));
    },
    async mediaToCheck(before) {
      return rows.all(MEDIA, sql.mediaToCheck.all(before))[0];
    },
    markChecked: (id, at) => inGroup(() => void sql.markChecked.run(at, id)),
    removeExpiredIdempotency: (now, limit) => inGroup(() => sql.removeIdempotency.run(now, limit).changes),

    putKey: (key: KeyRow, audit: AuditRow) =>
      inGroup(() => {
        sql.ensureProject.run(key.projectId, key.projectId, key.createdAt);
        sql.putKey.run(keyToRow(key));
        writeAudit(audit);
      }),
    async keyByHash(hash) {
      const row = sql.keyByHash.get(hash);
      return row && rows.one(KEY, row);
    },
    async listKeys() {
      return rows.all(KEY, sql.keys.all());
    },
    revokeKey: (id, at, audit, { force = false } = {}) =>
      inGroup(() => {
        if (sql.revokeKey.run({ id, at, force: Number(force) }).changes > 0) writeAudit(audit);
        const row = sql.keyById.get(id);
        return row && rows.one(KEY, row);
      }),
    restoreKey: (id, audit) =>
      inGroup(() => {
        if (sql.restoreKey.run(id).changes > 0) writeAudit(audit);
      }),

    secret: (name, make) =>
      inGroup(() => {
        sql.putSecret.run(name, make());
        return sql.secret.get(name)?.value ?? '';
      }),

    onExternalChange(listener) {
      // `data_version` changes when another connection has committed; asking costs microseconds.
      const version = (): unknown => db.pragma('data_version', { simple: true });
      let seen = version();
      const timer = setInterval(() => {
        const current = version();
        if (current === seen) return;
        seen = current;
        listener();
      }, options.foreignChangeMs ?? 500);
      timer.unref();
      timers.add(timer);
      return () => {
        clearInterval(timer);
        timers.delete(timer);
      };
    },
    unreadable: () => rows.unreadable,
    check: () => inGroup(() => void sql.writeCheck.run()),
    async close() {
      for (const timer of timers) clearInterval(timer);
      try {
        // One more turn of the group commit: what was queued before this call is durable when it resolves.
        await inGroup(() => undefined);
      } catch {
        // Each write that was queued was told why; there is nothing more to wait for.
      } finally {
        db.close();
        unlock();
      }
    },
  };
}
