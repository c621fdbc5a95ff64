import type { Task } from '../../tasks/task.ts';
import { jsonRows } from '../jsonRows.ts';
import type { Connections, Run } from '../postgres/pool.ts';
import { named } from '../postgres/statements.ts';
import type { QuotaStore, WrongQuota } from './contract.ts';
import {
  type CountedRow,
  countedRow,
  countersFor,
  countersOfUse,
  countOf,
  endedPeriods,
  isLongOver,
  presentPeriods,
  type QuotaRow,
  summarised,
  useFrom,
} from './quota.ts';

const ASKED = `json_to_recordset($1::json) as k(subject text, period text, currency text, project_id text, key_id text,
  starts bigint, ends bigint, first_id text)`;
const of = (member: keyof CountedRow): string => `k.${member}`;
const KEY = '(subject, period, currency)';

const SQL = named({
  familyOf: 'select family from keys where id = $1',
  readQuotas: `select k.subject, k.period, k.currency, k.project_id, coalesce(c.amount, ${countOf(of)}) as amount
    from ${ASKED} left join quota_counters c using ${KEY}`,
  presentQuotas: `
    select subject, period, currency, project_id, amount from quota_counters where period = any($1::text[]) order by subject, period`,
  removeQuotas: `delete from quota_counters where ${isLongOver('$1', '$2')}`,
  makeQuotas: `
    insert into quota_counters (subject, period, currency, project_id)
    select subject, period, currency, project_id from ${ASKED} order by subject, period, currency
    on conflict do nothing`,
  unknownQuotas: `
    select 1 from ${ASKED} join quota_counters c using ${KEY} where k.period = 'in_flight' and c.amount is null limit 1`,
  lockQuotas: `
    select from quota_counters where ${KEY} in (select subject, period, currency from ${ASKED})
    order by subject, period, currency for no key update`,
  countQuotas: `
    with counted as materialized (
      select k.subject, k.period, k.currency, c.amount as was, ${countOf(of)} as amount
      from ${ASKED} join quota_counters c using ${KEY}
      where c.amount is null or not exists (select from ledger_summaries s where ${summarised(of)})
    )
    update quota_counters c set amount = n.amount from counted n
    where c.subject = n.subject and c.period = n.period and c.currency = n.currency and n.was is distinct from n.amount
    returning c.subject, c.period, c.currency, n.was, n.amount as now_is`,
  fillQuotas: `
    with counted as materialized (
      select k.subject, k.period, k.currency, ${countOf(of)} as amount
      from ${ASKED} join quota_counters c using ${KEY} where c.amount is null
    )
    update quota_counters c set amount = n.amount from counted n
    where c.subject = n.subject and c.period = n.period and c.currency = n.currency`,
});

/** Waits until every statement that writes tasks has ended, and makes later ones begin after it. */
const BARRIER = { text: 'lock table ledger in share row exclusive mode' };

/**
 * Makes the counters of a task that are missing, and counts what was there before. A statement that had begun before a counter was there has not
 * changed it, so it must have ended before its rows are counted; whatever begins later waits for the counter, or finds it locked.
 */
export async function makeQuotaCounters({ run, read, transaction }: Connections, task: Task): Promise<void> {
  const [key] = await read<{ family: string | null }>(SQL.familyOf, [task.keyId]);
  const counters = countersFor({ ...task, keyId: key?.family ?? task.keyId });
  const asked = [jsonRows(counters)];
  await run(SQL.makeQuotas, asked);
  if ((await run(SQL.unknownQuotas, asked)).length > 0) await transaction((inside) => inside(BARRIER));
  await transaction(async (inside) => {
    await inside(SQL.lockQuotas, asked);
    // A statement of its own, which sees what was committed by those who held the counters before.
    await inside(SQL.fillQuotas, asked);
  });
}

export function postgresQuotas({ connections }: { readonly connections: Connections }): QuotaStore {
  const { run, read, transaction } = connections;

  async function recount(inside: Run, rows: readonly QuotaRow[]): Promise<readonly WrongQuota[]> {
    const asked = [jsonRows(rows.map((row) => countedRow(row, row.project_id)))];
    await inside(SQL.lockQuotas, asked);
    const wrong = await inside<QuotaRow & { was: number | null; now_is: number }>(SQL.countQuotas, asked);
    return wrong.map(({ subject, period, currency, was, now_is: is }) => ({
      subject,
      period,
      currency,
      was: was ?? 0,
      is,
    }));
  }

  return {
    async quotaUse(counted, at, currency) {
      return useFrom(await read<QuotaRow>(SQL.readQuotas, [jsonRows(countersOfUse(counted, at, currency))]));
    },
    async recountQuotas(now) {
      await run(SQL.removeQuotas, endedPeriods(now));
      const rows = await read<QuotaRow & { amount: number | null }>(SQL.presentQuotas, [presentPeriods(now)]);
      const wrong: WrongQuota[] = [];
      // Subject by subject, so that the tasks of one wait only for its own. What is not counted yet is being counted.
      for (const [, own] of Map.groupBy(rows, ({ subject }) => subject)) {
        const counted = own.filter(({ amount }) => amount !== null);
        wrong.push(...(await transaction((inside) => recount(inside, counted))));
      }
      return wrong;
    },
  };
}
