import { type Stake, settle } from '../shares.ts';
import type { AccountGrant, AccountReport, AccountTrouble } from '../store.ts';
import { LIVING_NODES } from './nodes.ts';

/** A connection within a transaction, such as a client of `pg`. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>;
}

/**
 * How long a dead node's places stay reserved after the last of its tasks was adopted. By then the adopting nodes have reported these
 * tasks as their own, which they do at once. Milliseconds.
 */
const ADOPTED_MS = 3000;

const ENSURE = `
  insert into account_state (account_id, failures, blocked_until, revision, updated_at)
  select id, 0, 0, 0, 0 from unnest($1::text[]) as id
  on conflict do nothing`;
/**
 * Locked in the order of their ids, so that two nodes that report on the same accounts cannot deadlock. The queries that follow must
 * be statements of their own, so that they see what the previous holder of the lock has committed.
 */
const LOCK = `
  select account_id, failures, blocked_until::float8 as blocked_until, last_error, reason, revision::float8 as revision,
    floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now
  from account_state where account_id = any($1::text[]) order by account_id for update`;
const STAKES = `
  select account_id, node, places, rate, in_use, waiting, generation, since::float8 as since, vacant_at::float8 as vacant_at
  from account_shares where account_id = any($1::text[])`;
/** The nodes that still own tasks upstream. Their places are in use, although no node reports them. */
const OWNERS = `
  select owner from unnest($1::text[]) as owner
  where exists (select from tasks where tasks.owner = owner.owner and phase in ('submitting', 'running'))`;
const WRITE = `
  insert into account_shares (account_id, node, places, rate, in_use, waiting, generation, since, vacant_at)
  select * from unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::bigint[], $9::bigint[])
  on conflict (account_id, node) do update set places = excluded.places, rate = excluded.rate, in_use = excluded.in_use,
    waiting = excluded.waiting, generation = excluded.generation, since = excluded.since, vacant_at = excluded.vacant_at`;
const FORGET = `
  delete from account_shares using unnest($1::text[], $2::text[]) as gone (account_id, node)
  where account_shares.account_id = gone.account_id and account_shares.node = gone.node`;
const TROUBLE = `
  update account_state set failures = reported.failures, blocked_until = greatest(account_state.blocked_until, reported.blocked_until),
    last_error = coalesce(reported.error, last_error), reason = reported.reason,
    failed_since = case when reported.failures > 0 then coalesce(failed_since, $5) end,
    revision = revision + 1, updated_at = $5
  from unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $6::text[]) as reported (account_id, failures, blocked_until, error, reason)
  where account_state.account_id = reported.account_id`;

interface StateRow {
  readonly account_id: string;
  readonly failures: number;
  readonly blocked_until: number;
  readonly last_error: string | null;
  readonly reason: string | null;
  readonly revision: number;
  readonly now: number;
}

interface ShareRow {
  readonly account_id: string;
  readonly node: string;
  readonly places: number;
  readonly rate: number;
  readonly in_use: number;
  readonly waiting: number;
  readonly generation: number;
  readonly since: number;
  readonly vacant_at: number | null;
}

export interface ShareOptions {
  readonly adoptedMs?: number;
}

/**
 * Implements `LimitStore.shareAccounts`. Must be called in a transaction of its own at READ COMMITTED. Writes nothing if nothing has
 * changed.
 */
export async function shareAccounts(
  client: Queryable,
  node: string,
  reports: readonly AccountReport[],
  { adoptedMs = ADOPTED_MS }: ShareOptions = {},
): Promise<readonly AccountGrant[]> {
  const ids = reports.map(({ account }) => account).sort();
  const ask = async <Row>(text: string, ...values: unknown[]): Promise<Row[]> =>
    (await client.query(text, values)).rows as Row[];

  let states = await ask<StateRow>(LOCK, ids);
  if (states.length < ids.length) {
    await ask(ENSURE, ids);
    states = await ask<StateRow>(LOCK, ids);
  }
  const now = Math.max(...states.map((state) => state.now));
  const living = new Set((await ask<{ name: string }>(LIVING_NODES)).map(({ name }) => name));
  // The node's lease has ended: other nodes may already use what it had.
  if (!living.has(node)) return [];
  const rows = await ask<ShareRow>(STAKES, ids);
  const dead = [...new Set(rows.map((row) => row.node))].filter((name) => !living.has(name));
  const owners = new Set(
    dead.length === 0 ? [] : (await ask<{ owner: string }>(OWNERS, dead)).map(({ owner }) => owner),
  );

  const writes: ShareRow[] = [];
  const gone: ShareRow[] = [];
  const troubles: [string, AccountTrouble][] = [];
  const grants = reports.flatMap((report): AccountGrant[] => {
    const state = states.find(({ account_id }) => account_id === report.account);
    const before = rows.find((row) => row.account_id === report.account && row.node === node);
    if (!state || (before && before.generation > report.generation)) return [];
    const others = rows.filter((row) => row.account_id === report.account && row.node !== node);
    const kept = others.filter((row) => {
      if (living.has(row.node)) return true;
      if (owners.has(row.node)) return true;
      if (row.vacant_at === null) writes.push({ ...row, vacant_at: now });
      else if (now - row.vacant_at >= adoptedMs) {
        gone.push(row);
        return false;
      }
      return true;
    });
    const mine = reported(node, report, before, now);
    const settled = settle(
      node,
      [stakeOf(mine, true), ...kept.map((row) => stakeOf(row, living.has(row.node)))],
      report.limit,
    );
    if (!settled) return [];
    const after = turned(mine, { ...mine, places: settled.places, rate: settled.rate }, now);
    if (!before || isChanged(before, after)) writes.push(after);
    if (report.trouble) troubles.push([report.account, report.trouble]);
    return [{ ...settled, account: report.account, at: now, ...troubleOf(state, report.trouble, now) }];
  });

  if (writes.length > 0) await ask(WRITE, ...columnsOf(writes));
  if (gone.length > 0) {
    await ask(
      FORGET,
      gone.map(({ account_id }) => account_id),
      gone.map((row) => row.node),
    );
  }
  if (troubles.length > 0) {
    await ask(
      TROUBLE,
      troubles.map(([account]) => account),
      troubles.map(([, { failures }]) => failures),
      troubles.map(([, { waitMs }]) => (waitMs > 0 ? Math.ceil(now + waitMs) : 0)),
      troubles.map(([, { error }]) => error ?? null),
      now,
      troubles.map(([, { reason }]) => reason ?? null),
    );
  }
  return grants;
}

/** The node's row as it reports it, before anything is granted. A node cannot hold more than it was granted before. */
function reported(node: string, report: AccountReport, before: ShareRow | undefined, now: number): ShareRow {
  const mine = {
    account_id: report.account,
    node,
    places: Math.min(report.places, before?.places ?? 0),
    rate: Math.min(report.rate, before?.rate ?? 0),
    in_use: report.inUse,
    waiting: report.waiting,
    generation: report.generation,
    since: before?.since ?? now,
    vacant_at: null,
  };
  return before ? turned(before, mine, now) : mine;
}

/** The row after a change. `since` changes when a node starts or stops holding places, because turns depend on it. */
const turned = (before: ShareRow, after: ShareRow, now: number): ShareRow =>
  holds(before) === holds(after) ? after : { ...after, since: now };

const holds = ({ places, in_use }: ShareRow): boolean => Math.max(places, in_use) > 0;

const stakeOf = (row: ShareRow, alive: boolean): Stake => ({
  node: row.node,
  alive,
  places: row.places,
  rate: row.rate,
  inUse: row.in_use,
  waiting: row.waiting,
  since: row.since,
});

const COLUMNS = [
  'account_id',
  'node',
  'places',
  'rate',
  'in_use',
  'waiting',
  'generation',
  'since',
  'vacant_at',
] as const;

const columnsOf = (rows: readonly ShareRow[]): unknown[][] =>
  COLUMNS.map((column) => rows.map((row) => row[column]));

const isChanged = (a: ShareRow, b: ShareRow): boolean => COLUMNS.some((column) => a[column] !== b[column]);

function troubleOf(
  state: StateRow,
  reported: AccountTrouble | undefined,
  now: number,
): AccountTrouble & { revision: number } {
  return {
    failures: reported?.failures ?? state.failures,
    waitMs: Math.max(0, state.blocked_until - now, reported?.waitMs ?? 0),
    reason: reported ? reported.reason : (state.reason ?? undefined),
    revision: state.revision + (reported ? 1 : 0),
  };
}
