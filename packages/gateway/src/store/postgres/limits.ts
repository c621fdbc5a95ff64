import { type AccountColumns, type AccountCount, accountRows } from '../accountRows.ts';
import { jsonRow, jsonRows } from '../jsonRows.ts';
import type {
  LimitStore,
  PermitGrant,
  PermitRequest,
  SharedLimitStore,
  StoredTrouble,
  WrongCounter,
} from '../store.ts';
import { auditToRow, IN_FLIGHT } from '../tables.ts';
import { NOT_COUNTING_NODES } from './nodes.ts';
import type { PostgresParts } from './pool.ts';
import { named, SQL, tellPlaces } from './statements.ts';

/** How far ahead permits of a rate are granted whose interval is shorter than this. Milliseconds. */
const HORIZON_MS = 250;
/** How far ahead permits of a slower rate are granted, so that the way to the database costs nothing of the rate. Milliseconds. */
const AHEAD_MS = 25;
/** SQL for the furthest that permits are granted ahead: nodes of an earlier version take back what is beyond, and grant it again. */
const FURTHEST = `greatest(${HORIZON_MS}, g.interval_ms)`;
/** How long a rate counts as contended after a node got less than it wanted. Milliseconds. */
const CONTENDED_MS = 1000;

/** The database's clock when it is read, not when the statement began: a statement may have waited for locks. Milliseconds UTC. */
export const DATABASE_CLOCK = 'extract(epoch from clock_timestamp()) * 1000';

const REQUESTS = `json_to_recordset($1::json) as r(n integer, account text, kind text, wanted integer,
  interval_ms double precision, burst double precision, part double precision, overdue boolean)`;

/** Permits are reserved by the generic cell rate algorithm. `clock`: SQL for the time in milliseconds UTC. */
export const reserve = (clock: string): string => `
    with given as materialized (select * from ${REQUESTS}),
    locked as materialized (
      select r.account_id, r.kind, r.tat, r.contended_at
      from account_rates r join given g on g.account = r.account_id and g.kind = r.kind
      order by r.account_id, r.kind for no key update of r
    ),
    -- Read after all rows are locked: count(*) needs them. A reservation that a crash of the server loses is no harm.
    clock as materialized (
      select count(*), (${clock})::double precision as now, set_config('synchronous_commit', 'off', true) from locked
    ),
    -- Not further in the past than a burst allows, nor further in the future than a clock could bring it that was not set back.
    due as materialized (
      select g.*, c.now, l.tat, l.contended_at,
        least(greatest(l.tat, c.now - (g.burst - 1) * g.interval_ms),
          c.now + ${FURTHEST} + g.interval_ms) as base,
        g.overdue or abs(c.now - l.contended_at) < ${CONTENDED_MS} as contended,
        ${FURTHEST} as furthest
      from given g join locked l on l.account_id = g.account and l.kind = g.kind cross join clock c
    ),
    -- While nodes compete, only one that is overdue gets permits as far ahead as possible: before the others get any.
    reach as materialized (
      select d.*, case when overdue then furthest when interval_ms >= ${HORIZON_MS} then ${AHEAD_MS}
        when contended and part < 1 then ${HORIZON_MS / 2} else ${HORIZON_MS} end as ahead
      from due d
    ),
    -- Permit k is due at base + k * interval.
    fitting as materialized (
      select r.*, greatest(0, floor((now + ahead - base) / interval_ms) + 1) as fit,
        case when contended then greatest(1, floor(part * ${HORIZON_MS} / interval_ms)) else wanted end as in_part
      from reach r
    ),
    granted as materialized (select f.*, least(wanted, fit, in_part) as n_granted from fitting f),
    written as (
      update account_rates r set tat = g.base + g.n_granted * g.interval_ms,
        contended_at = case when g.fit < g.wanted then g.now else r.contended_at end
      from granted g
      where r.account_id = g.account and r.kind = g.kind and (
        g.n_granted > 0 or g.base < g.tat or (g.fit < g.wanted and abs(g.now - g.contended_at) > ${CONTENDED_MS / 2}))
    )
    -- A node that got only its part of the rate may ask again before it has used it, so that the rate is used completely if no other node asks.
    select g.n, g.n_granted::integer as granted, g.base - g.now as first_ms,
      case when g.n_granted < least(g.wanted, g.fit) then g.n_granted * g.interval_ms / 2
        else greatest(0, g.base + g.n_granted * g.interval_ms - g.ahead - g.now) end as again_ms,
      s.failures, greatest(0, s.blocked_until - g.now) as wait_ms, s.reason, s.revision::double precision as revision
    from granted g left join account_state s on s.account_id = g.account order by g.n`;

const statementsWith = (clock: string) =>
  ({
    reserve: reserve(clock),
    makeRates: `
      insert into account_rates (account_id, kind, tat, contended_at)
      select account, kind, 0, 0 from ${REQUESTS} order by account, kind
      on conflict do nothing`,
    places: `select account_id, in_flight from account_places where account_id = any($1::text[]) and member = ''`,
    /** All accounts with a counter, or with an attempt that occupies a place. */
    allAccounts: `
      select account_id from account_places
      union select account_id from attempts where ${IN_FLIGHT}
      union select account_id from attempts where place_until is not null`,
    /**
     * $1 the time, $2 the sender. Counters are locked first, and all of them before the first attempt, as in \`commit\`. An attempt
     * whose place another node has just freed does not match any more.
     */
    freeLingeringPlaces: `
      with counters as materialized (
        select account_id from account_places
        where member = '' and account_id = any(array(select account_id from attempts where place_until <= $1))
        order by account_id for no key update
      ),
      locked as materialized (select coalesce(array_agg(account_id), '{}') as accounts from counters),
      freed as (
        update attempts a set place_until = null from locked l
        where a.place_until <= $1 and a.account_id = any(l.accounts)
        returning a.account_id
      ),
      changed as (
        update account_places p set in_flight = greatest(0, p.in_flight - f.n)
        from (select account_id, count(*) as n from freed group by account_id) f
        where p.account_id = f.account_id and p.member = ''
        returning p.account_id, p.in_flight
      )
      select json_agg(json_build_array(account_id, in_flight)) as places,
        case when count(*) > 0 then ${tellPlaces('changed', 2)} end
      from changed`,
    lingeringPlaces: `select account_id, task_id, place_until from attempts where place_until > $1`,
    oldNodes: NOT_COUNTING_NODES,
    troubles: `
      select account_id, failures, greatest(0, blocked_until - (${clock}))::double precision as wait_ms, reason,
        revision::double precision as revision
      from account_state where account_id = any($1::text[]) and revision > 0`,
    /** $1 the subject, $2 the minute, $3 how many. A node whose clock is behind counts in the minute of the others. */
    takeRequests: `
      insert into request_counts as c (subject, minute, n) values ($1, $2::bigint, $3::bigint)
      on conflict (subject) do update set minute = greatest(c.minute, excluded.minute),
        n = case when c.minute < excluded.minute then excluded.n else c.n + excluded.n end
      returning n - $3::bigint as before`,
    /** $1 the account, $2 failures, $3 milliseconds to wait, $4 the upstream's message, $5 the reason. */
    reportTrouble: `
      insert into account_state as s
        (account_id, failures, blocked_until, last_error, reason, failed_since, revision, updated_at)
      select $1, $2::integer, case when $3::double precision > 0 then ceil(now + $3)::bigint else 0 end, $4, $5,
        case when $2 > 0 then now::bigint end, 1, now::bigint
      from (select (${clock})::double precision as now) as c
      on conflict (account_id) do update set failures = excluded.failures,
        blocked_until = greatest(s.blocked_until, excluded.blocked_until),
        last_error = coalesce(excluded.last_error, s.last_error), reason = excluded.reason,
        failed_since = case when excluded.failures > 0 then coalesce(s.failed_since, excluded.failed_since) end,
        revision = s.revision + 1, updated_at = excluded.updated_at`,
  }) as const;

interface TroubleColumns {
  readonly failures: number | null;
  readonly wait_ms: number | null;
  readonly reason: string | null;
  readonly revision: number | null;
}

interface GrantRow extends TroubleColumns {
  readonly n: number;
  readonly granted: number;
  readonly first_ms: number;
  readonly again_ms: number;
}

type Places = readonly (readonly [account: string, inFlight: number])[];

interface LimitParts extends PostgresParts {
  /** SQL for the time in milliseconds UTC, instead of the database's clock. */
  readonly clock?: string;
  /** Called with counters that were read or changed. */
  readonly onPlaces: (account: string, inFlight: number) => void;
}

export function postgresLimits(parts: LimitParts): LimitStore {
  const { connections, node, clock = DATABASE_CLOCK } = parts;
  const { run, read } = connections;
  const sql = named(statementsWith(clock));
  return {
    async accounts() {
      const [states, counts] = await Promise.all([
        read<AccountColumns>(SQL.accountStates),
        read<AccountCount>(SQL.accountCounts),
      ]);
      return accountRows(states, counts);
    },
    retryAccount: async (id, audit) =>
      (await run(SQL.retryAccount, [id, jsonRow(auditToRow(audit)), node()])).length > 0,
    async troubles(accounts) {
      const rows = await read<TroubleColumns & { account_id: string }>(sql.troubles, [accounts]);
      return rows.map((row) => troubleOf(row.account_id, row));
    },
    async reportTrouble(account, { failures, waitMs, error, reason }) {
      await run(sql.reportTrouble, [account, failures, waitMs, error ?? null, reason ?? null]);
    },
    async lingeringPlaces(now) {
      const rows = await read<{ account_id: string; task_id: string; place_until: number }>(
        sql.lingeringPlaces,
        [now],
      );
      return rows.map((row) => ({ account: row.account_id, taskId: row.task_id, until: row.place_until }));
    },
  };
}

export function postgresSharedLimits(parts: LimitParts): Omit<SharedLimitStore, 'onPlaces'> {
  const { connections, node, clock = DATABASE_CLOCK, onPlaces } = parts;
  const { run, read } = connections;
  const sql = named(statementsWith(clock));

  async function recountPlaces(accounts: readonly string[]): Promise<readonly WrongCounter[]> {
    const [row] = await run<{ wrong: readonly [string, number, number][] | null }>(SQL.recountPlaces, [
      accounts,
      node(),
    ]);
    return (row?.wrong ?? []).map(([account, was, is]) => {
      onPlaces(account, is);
      return { account, was, is };
    });
  }

  async function readPlaces(accounts: readonly string[]): Promise<Map<string, number>> {
    const rows = await read<{ account_id: string; in_flight: number }>(sql.places, [accounts]);
    return new Map(rows.map(({ account_id, in_flight }) => [account_id, in_flight]));
  }

  return {
    async places(accounts) {
      const found = await readPlaces(accounts);
      const missing = accounts.filter((account) => !found.has(account));
      if (missing.length === 0) return found;
      await recountPlaces(missing);
      return readPlaces(accounts);
    },
    async recountPlaces(accounts) {
      if (accounts) return recountPlaces(accounts);
      const all = await read<{ account_id: string }>(sql.allAccounts);
      return recountPlaces(all.map(({ account_id }) => account_id));
    },
    async freeLingeringPlaces(now) {
      const [row] = await run<{ places: Places | null }>(sql.freeLingeringPlaces, [now, node()]);
      return (row?.places ?? []).map(([account, inFlight]) => {
        onPlaces(account, inFlight);
        return { account, inFlight };
      });
    },
    async reserve(requests) {
      const given = requests.map(({ intervalMs, ...request }, n) => ({
        n,
        ...request,
        interval_ms: intervalMs,
      }));
      let rows = await run<GrantRow>(sql.reserve, [jsonRows(given)]);
      const found = new Set(rows.map(({ n }) => n));
      const missing = jsonRows(given.filter(({ n }) => !found.has(n)));
      if (found.size < given.length) {
        await run(sql.makeRates, [missing]);
        rows = [...rows, ...(await run<GrantRow>(sql.reserve, [missing]))];
      }
      return rows.flatMap((row) => {
        const request = requests[row.n];
        return request ? [grantOf(request, row)] : [];
      });
    },
    async takeRequests(subject, minute, wanted) {
      const [row] = await run<{ before: number }>(sql.takeRequests, [subject, minute, wanted]);
      return row?.before ?? 0;
    },
    async oldNodes() {
      const rows = await read<{ name: string }>(sql.oldNodes);
      return rows.map(({ name }) => name);
    },
  };
}

function grantOf({ account, kind, intervalMs }: PermitRequest, row: GrantRow): PermitGrant {
  return {
    account,
    kind,
    granted: row.granted,
    firstMs: row.first_ms,
    intervalMs,
    againMs: row.again_ms,
    ...(kind === 'submit' ? { trouble: troubleOf(account, row) } : {}),
  };
}

const troubleOf = (
  account: string,
  { failures, wait_ms, reason, revision }: TroubleColumns,
): StoredTrouble => ({
  account,
  failures: failures ?? 0,
  waitMs: wait_ms ?? 0,
  reason: reason ?? undefined,
  revision: revision ?? 0,
});
