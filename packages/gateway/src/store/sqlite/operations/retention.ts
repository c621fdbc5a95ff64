import type { Statement } from 'better-sqlite3';
import {
  type AcceptedAt,
  deliveryIdAt,
  LEDGERED_AFTER,
  type OldTasks,
  retentionSteps,
  type Steps,
  TASKS_AFTER,
} from '../../retention/retention.ts';
import type { ReadParts, WriteParts } from './parts.ts';

const steps = retentionSteps({
  inIds: (column) => `${column} in (select value from json_each($1))`,
  ids: (ids) => JSON.stringify(ids),
  lock: '',
  before: '$2 - $3',
  placeIsFree: 'a.place_until is null or a.place_until <= $2',
  // SQLite stores any value, and would sum up text as 0.
  ledgerIsReadable: `
    not exists (select 1 from ledger l where l.task_id = t.id and typeof(l.amount_micros) || typeof(l.created_at) <> 'integerinteger')`,
});

/** The end of rows. */
export function retentionWrites({ db }: WriteParts) {
  const prepared = new Map<string, Statement<[object], { id: string }>>();
  const removeDeliveries = db.prepare<[string, number, number]>(`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries where id < ? and state <> 'pending' and coalesce(tried_at, created_at) <= ? order by id limit ?)`);
  const removeAudit = db.prepare<[number, number]>(
    'delete from audit where rowid in (select rowid from audit where at <= ? order by at limit ?)',
  );

  function statement(text: string): Statement<[object], { id: string }> {
    const known = prepared.get(text) ?? db.prepare<[object], { id: string }>(text);
    prepared.set(text, known);
    return known;
  }

  function run<Result>(work: Steps<Result>): Result {
    let step = work.next();
    while (!step.done) {
      const { text, values } = step.value;
      const query = statement(text);
      const numbered = Object.fromEntries(values.map((value, n) => [n + 1, value]));
      if (!query.reader) query.run(numbered);
      step = work.next(query.reader ? query.all(numbered) : []);
    }
    return step.value;
  }

  return {
    removeTasks: (old: OldTasks): readonly string[] => run(steps.removeTasks(old)),
    summariseLedger: (old: OldTasks): readonly string[] => run(steps.summariseLedger(old)),
    removeDeliveries: (now: number, keepMs: number, limit: number): number =>
      removeDeliveries.run(deliveryIdAt(now - keepMs), now - keepMs, limit).changes,
    removeAudit: (now: number, keepMs: number, limit: number): number =>
      removeAudit.run(now - keepMs, limit).changes,
  };
}

export function retentionReads({ db }: ReadParts) {
  const page = (text: string) => {
    const query = db.prepare<[object], AcceptedAt>(text);
    return (after: string, limit: number): readonly AcceptedAt[] =>
      query.all({ 1: after, 2: limit }).map(({ id, createdAt }) => ({ id, createdAt: Number(createdAt) }));
  };
  return { tasksAfter: page(TASKS_AFTER), ledgeredAfter: page(LEDGERED_AFTER) };
}
