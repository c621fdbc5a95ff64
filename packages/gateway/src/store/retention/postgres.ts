import type { PostgresParts, Run } from '../postgres/pool.ts';
import { DATABASE_NOW, named } from '../postgres/statements.ts';
import {
  deliveryIdAt,
  LEDGERED_AFTER,
  type RetentionStore,
  retentionSteps,
  type Steps,
  TASKS_AFTER,
} from './retention.ts';

/** The node's clock may be ahead of all others: what is old must be so by the database's clock as well. */
const BEFORE = `least($2::bigint, ${DATABASE_NOW}) - $3::bigint`;

const steps = retentionSteps({
  inIds: (column) => `${column} = any($1::text[])`,
  ids: (ids) => ids,
  lock: 'for update of t skip locked',
  before: BEFORE,
  // A counter stands for it until it is freed, however long ago its bound has passed.
  placeIsFree: 'a.place_until is null',
  ledgerIsReadable: 'true',
});

const SQL = named({
  tasksAfter: TASKS_AFTER,
  ledgeredAfter: LEDGERED_AFTER,
  removeDeliveries: `
    delete from webhook_deliveries where id = any(array(
      select id from webhook_deliveries where id < $1 and state <> 'pending' and coalesce(tried_at, created_at) <= ${BEFORE}
      order by id limit $4 for update skip locked))
    returning 1`,
  removeAudit: `
    delete from audit where ctid = any(array(select ctid from audit where at <= ${BEFORE} order by at limit $1 for update skip locked))
    returning 1`,
});

/** The end of rows in the store that nodes share. Each call is a transaction of its own. */
export function postgresRetention({ connections }: Pick<PostgresParts, 'connections'>): RetentionStore {
  async function run<Result>(inside: Run, work: Steps<Result>): Promise<Result> {
    let step = work.next();
    while (!step.done) {
      const { text, values } = step.value;
      step = work.next(await inside<{ id: string }>({ text }, values));
    }
    return step.value;
  }

  return {
    tasksAfter: (after, limit) => connections.read(SQL.tasksAfter, [after, limit]),
    removeTasks: (old) => connections.transaction((inside) => run(inside, steps.removeTasks(old))),
    ledgeredAfter: (after, limit) => connections.read(SQL.ledgeredAfter, [after, limit]),
    summariseLedger: (old) => connections.transaction((inside) => run(inside, steps.summariseLedger(old))),
    removeDeliveries: async (now, keepMs, limit) =>
      (await connections.run(SQL.removeDeliveries, [deliveryIdAt(now - keepMs), now, keepMs, limit])).length,
    removeAudit: async (now, keepMs, limit) =>
      (await connections.run(SQL.removeAudit, [limit, now, keepMs])).length,
  };
}
