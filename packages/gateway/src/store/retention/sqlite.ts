import type { Database, Statement } from 'better-sqlite3';
import type { SqliteParts } from '../sqlite/parts.ts';
import {
  type AcceptedAt,
  deliveryIdAt,
  LEDGERED_AFTER,
  type RetentionStore,
  retentionSteps,
  type Steps,
  TASKS_AFTER,
} from './retention.ts';

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

/** The end of rows in the embedded store. */
export function sqliteRetention({ inGroup }: Pick<SqliteParts, 'inGroup'>, db: Database): RetentionStore {
  const prepared = new Map<string, Statement<[object], { id: string }>>();
  const removeDeliveries = db.prepare<[string, number]>(`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries where id < ? and state <> 'pending' order by id limit ?)`);

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

  const page = (text: string) => {
    const query = db.prepare<[object], AcceptedAt>(text);
    return async (after: string, limit: number) =>
      query.all({ 1: after, 2: limit }).map(({ id, createdAt }) => ({ id, createdAt: Number(createdAt) }));
  };

  return {
    tasksAfter: page(TASKS_AFTER),
    removeTasks: (old) => inGroup(() => run(steps.removeTasks(old))),
    ledgeredAfter: page(LEDGERED_AFTER),
    summariseLedger: (old) => inGroup(() => run(steps.summariseLedger(old))),
    removeDeliveries: (now, keepMs, limit) =>
      inGroup(() => removeDeliveries.run(deliveryIdAt(now - keepMs), limit).changes),
  };
}
