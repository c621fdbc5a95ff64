import { eventOf } from '../../../tasks/events.ts';
import type { Move } from '../../../tasks/lifecycle.ts';
import type { Task } from '../../../tasks/task.ts';
import { acceptedBefore } from '../../accepting.ts';
import type { Acceptance, Accepted, MediaRow } from '../../store.ts';
import { mediaToRow, type TaskWithAttempt } from '../../tables.ts';
import { webhookOf } from '../../webhooks.ts';
import type { ReadParts, WriteParts } from './parts.ts';
import type { Quotas } from './quotas.ts';

/** What `accept` found, with the row of an earlier task. */
type AcceptedRow =
  | Exclude<Accepted, { outcome: 'replayed' }>
  | { readonly outcome: 'replayed'; readonly row: TaskWithAttempt };

/** The upstream job that a move claims for its attempt. */
interface UpstreamClaim {
  readonly accountId: string;
  readonly upstreamId: string;
  readonly number: number;
}

export function taskWrites({ sql, onDelivery }: WriteParts, quotas: Quotas) {
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

  function accept({ task, ledger, media, idempotency, quota }: Acceptance): AcceptedRow {
    if (idempotency) {
      const earlier = sql.idempotency.get(task.projectId, idempotency.key, task.createdAt);
      if (earlier && earlier.task_id !== task.id) {
        if (earlier.body_hash !== idempotency.bodyHash) return { outcome: 'conflict' };
        const row = sql.task.get(earlier.task_id);
        if (row) return { outcome: 'replayed', row };
      }
    }
    const over = quotas.reserve(task, quota);
    if (over) return over;
    if (idempotency) {
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
      acceptedBefore({ projectId: row.project_id, keyId: row.key_id, createdAt: row.created_at }, task);
      return { outcome: 'accepted' };
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
    quotas.giveBack(move);
    for (const row of media) sql.putMedia.run(mediaToRow(row));
    return true;
  }

  function claim(move: Move, { accountId, upstreamId, number }: UpstreamClaim): 'claimed' | 'taken' | 'lost' {
    if (sql.otherAttemptByUpstream.get(accountId, upstreamId, move.task.id, number)) return 'taken';
    return commit(move, []) ? 'claimed' : 'lost';
  }

  return {
    accept,
    commit,
    claim,
    removeExpiredIdempotency: (now: number, limit: number): number =>
      sql.removeIdempotency.run(now, limit).changes,
    /** The rows of the tasks that have a new owner. */
    adopt: (owner: string, limit: number): readonly TaskWithAttempt[] =>
      sql.orphans.all(owner, limit).flatMap(({ id }) => {
        sql.takeOver.run(owner, id);
        return sql.task.get(id) ?? [];
      }),
    transfer: (from: string, to: string, tasks: readonly Pick<Task, 'id' | 'version'>[]): readonly string[] =>
      tasks.flatMap(({ id, version }) => (sql.transfer.run(to, from, id, version).changes === 1 ? [id] : [])),
  };
}

export const taskReads = ({ sql, db }: ReadParts) => ({
  /** The rows of a list: its statement depends on what is asked for. */
  tasksListed: (text: string, parameters: readonly unknown[]): readonly TaskWithAttempt[] =>
    db.prepare<unknown[], TaskWithAttempt>(text).all(...parameters),
  /** As `tasksListed`, of a statement that counts. */
  tasksCounted: (text: string, parameters: readonly unknown[]): number =>
    db.prepare<unknown[], { count: number }>(text).get(...parameters)?.count ?? 0,
  /** How many tasks have each pair of metadata, up to `most`, and the first and last of them. */
  havingMetadata: (
    projectId: string,
    pairs: readonly (readonly [name: string, value: string])[],
    most: number,
  ) => pairs.map(([name, value]) => sql.havingMetadata.get({ projectId, name, value, most })),
  submittingAt: (accountId: string, upstreamModel: string, except: string) =>
    sql.submittingAt.all(accountId, upstreamModel, except),
  submittedLike: (accountId: string, findVersion: string, upstreamModel: string, limit: number) =>
    sql.submittedLike.all(accountId, findVersion, upstreamModel, limit),
  expiredSince: (since: number, limit: number): readonly TaskWithAttempt[] =>
    sql.expired.all(since, limit).flatMap(({ task_id }) => sql.task.get(task_id) ?? []),
  tasksById: (ids: readonly string[]) => sql.tasks.all(JSON.stringify(ids)),
  versions: (ids: readonly string[]) => sql.versions.all(JSON.stringify(ids)),
  loads: () => sql.loads.all(),
  owned: (owner: string, after: string, limit: number) => sql.owned.all(owner, after, limit),
});
