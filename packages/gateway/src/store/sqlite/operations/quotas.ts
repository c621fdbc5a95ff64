import type { Move } from '../../../tasks/lifecycle.ts';
import {
  COUNTED_LIMITS,
  countersOf,
  givenBack,
  IN_FLIGHT,
  limitOf,
  type Quota,
} from '../../../tasks/quota.ts';
import type { Task } from '../../../tasks/task.ts';
import type { OverLimit, WrongQuota } from '../../quota/contract.ts';
import {
  type CountedRow,
  countedRow,
  countOf,
  endedPeriods,
  isLongOver,
  limitedSubjects,
  presentPeriods,
  type QuotaRow,
  summarised,
} from '../../quota/quota.ts';
import type { ReadParts } from './parts.ts';

/** The counters of limits, which change with the writes of tasks. */
export type Quotas = ReturnType<typeof quotasOf>;

const of = (member: keyof CountedRow): string => `@${member}`;
const ONE = 'subject = @subject and period = @period and currency = @currency';
type Amount = { readonly amount: number };

function statements({ db }: ReadParts) {
  return {
    amount: db.prepare<[string, string, string], Amount>(
      'select amount from quota_counters where subject = ? and period = ? and currency = ?',
    ),
    count: db.prepare<[CountedRow], Amount>(`select ${countOf(of)} as amount`),
    hasSums: db.prepare<[CountedRow], object>(
      `select 1 from ledger_summaries s where ${summarised(of)} limit 1`,
    ),
    put: db.prepare<[QuotaRow]>(`
      insert into quota_counters (subject, period, currency, project_id, amount)
      values (@subject, @period, @currency, @project_id, @amount)
      on conflict (subject, period, currency) do update set amount = excluded.amount`),
    add: db.prepare(`update quota_counters set amount = amount + @change where ${ONE}`),
    present: db.prepare<[string], QuotaRow>(
      'select * from quota_counters where period in (select value from json_each(?)) order by subject, period',
    ),
    remove: db.prepare<[string, string]>(`delete from quota_counters where ${isLongOver('?', '?')}`),
    family: db.prepare<[string], { readonly family: string | null }>('select family from keys where id = ?'),
    task: db.prepare<[string], object>('select 1 from tasks where id = ?'),
  };
}

export function quotasOf(parts: ReadParts) {
  const sql = statements(parts);

  /** What a counter says. One that is missing is made. */
  function amountOf(row: CountedRow): number {
    const stored = sql.amount.get(row.subject, row.period, row.currency);
    if (stored) return stored.amount;
    const { subject, period, currency, project_id } = row;
    const amount = sql.count.get(row)?.amount ?? 0;
    sql.put.run({ subject, period, currency, project_id, amount });
    return amount;
  }

  const ofFamily = ({ projectId, keyId }: Task) => ({
    projectId,
    keyId: sql.family.get(keyId)?.family ?? keyId,
  });
  const isCounting = (subject: string): boolean => sql.amount.get(subject, IN_FLIGHT, '') !== undefined;

  return {
    /** Reserves what a task that is not stored yet takes of its limits. Returns the first counter that has too little left. */
    reserve(task: Task, quota: Quota | undefined): OverLimit | undefined {
      const subjects = limitedSubjects(ofFamily(task), quota).filter(
        ({ subject, isLimited }) => isLimited || isCounting(subject),
      );
      if (subjects.length === 0 || sql.task.get(task.id)) return undefined;
      const uses = subjects
        .flatMap(({ subject, limits }) =>
          countersOf(task, subject).map((counter) => {
            const limit = limitOf(counter.period);
            const change = limit === 'tasksInFlight' ? 1 : task.price.holdMicros;
            const amount = amountOf(countedRow(counter, task.projectId));
            return { counter, limit, change, amount, most: limits[limit] ?? Number.POSITIVE_INFINITY };
          }),
        )
        .sort(
          (one, other) =>
            COUNTED_LIMITS.indexOf(one.limit) - COUNTED_LIMITS.indexOf(other.limit) ||
            (one.counter.subject < other.counter.subject ? -1 : 1),
        );
      const short = uses.find(({ amount, change, most }) => amount + change > most);
      if (short) return { outcome: 'over_limit', counter: short.counter, amount: short.amount };
      for (const { counter, change } of uses) sql.add.run({ ...counter, change });
      return undefined;
    },
    /** Gives back what a task that ends did not cost. */
    giveBack(move: Move): void {
      const micros = givenBack(move);
      if (micros === undefined) return;
      for (const { subject } of limitedSubjects(ofFamily(move.task), undefined)) {
        if (!isCounting(subject)) continue;
        for (const counter of countersOf(move.task, subject))
          sql.add.run({ ...counter, change: counter.period === IN_FLIGHT ? -1 : -micros });
      }
    },
  };
}

export function quotaWrites(parts: ReadParts) {
  const sql = statements(parts);
  return {
    recountQuotas(now: number): readonly WrongQuota[] {
      sql.remove.run(...endedPeriods(now));
      return sql.present.all(JSON.stringify(presentPeriods(now))).flatMap((row) => {
        const asked = countedRow(row, row.project_id);
        const { amount = 0 } = sql.count.get(asked) ?? {};
        if (amount === row.amount || sql.hasSums.get(asked)) return [];
        sql.put.run({ ...row, amount });
        const { subject, period, currency } = row;
        return [{ subject, period, currency, was: row.amount, is: amount }];
      });
    },
  };
}

export function quotaReads(parts: ReadParts) {
  const sql = statements(parts);
  return {
    /** What these counters say, or would say if they were there. */
    quotaAmounts: (counters: readonly CountedRow[]): readonly QuotaRow[] =>
      counters.map((row) => {
        const { subject, period, currency, project_id } = row;
        const stored = sql.amount.get(subject, period, currency) ?? sql.count.get(row);
        return { subject, period, currency, project_id, amount: stored?.amount ?? 0 };
      }),
  };
}
