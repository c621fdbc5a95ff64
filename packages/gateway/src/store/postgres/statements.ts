import { hash } from 'node:crypto';
import {
  ANNOUNCED,
  ATTEMPTS,
  AUDIT,
  assign,
  EVENTS,
  JOIN_ATTEMPT,
  LEDGER,
  listOf,
  MEDIA,
  TASK_WITH_ATTEMPT,
  TASKS,
  typesOf,
  UNFINISHED,
} from '../tables.ts';
import { CHANNEL, LIVING_NODES } from './nodes.ts';
import type { Statement } from './pool.ts';

/**
 * The database's time in milliseconds UTC. It is constant within a statement, so that an index can be used for comparisons with it.
 */
export const DATABASE_NOW = '(extract(epoch from statement_timestamp()) * 1000)::bigint';

/** Most tasks in one message. With 50 characters each, the message stays below the limit of NOTIFY, which is 8,000 bytes. */
export const TASKS_IN_MESSAGE = 150;

/**
 * SQL: changed counters for the message `moved`, as many as fit: a node that misses one looks again after a while. `changed`: a
 * relation with `account_id` and `in_flight`; `used`: bytes that the rest of the message needs.
 */
const placesInMessage = (changed: string, used: string): string => `(
  select json_agg(json_build_array(account_id, in_flight)) from (
    select account_id, in_flight, sum(octet_length(to_json(account_id)::text) + 15) over (order by account_id) as bytes from ${changed}
  ) as c where bytes <= 7800 - ${used})`;

/** A parameter made by `jsonRows` as rows: each has its place `n` in the batch beside its columns. */
const rowsOf = (parameter: number, columns: Readonly<Record<string, string>>, alias: string): string =>
  `json_to_recordset($${parameter}::json) as ${alias}(n integer, ${Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ')})`;

const insertLedger = (parameter: number, written: string): string => `
  insert into ledger (${listOf(LEDGER)})
  select ${listOf(LEDGER, 'l.')} from ${rowsOf(parameter, typesOf(LEDGER), 'l')} join ${written} using (n)`;

/** A row whose bytes are stored stays as it is: a driver that was paused may only now begin what another one has finished. */
const PUT_MEDIA = `
  on conflict (id) do update set ${assign(MEDIA, 'excluded.')}
  where media.state = 'pending' or excluded.state = 'present'`;

const insertMedia = (parameter: number, written: string): string => `
  insert into media (${listOf(MEDIA)})
  select ${listOf(MEDIA, 'm.')} from ${rowsOf(parameter, typesOf(MEDIA), 'm')} join ${written} using (n)
  ${PUT_MEDIA}`;

const selectTasks = `select ${TASK_WITH_ATTEMPT} from tasks t ${JOIN_ATTEMPT}`;

/** Writes the audit row that a parameter has as JSON of its columns: once for each row of `done`. */
export const insertAudit = (parameter: number, done?: string): string => `
  insert into audit (${listOf(AUDIT)})
  select ${listOf(AUDIT, 'a.')} from ${done === undefined ? '' : `${done}, `}json_to_record($${parameter}::json) as a(${Object.entries(
    typesOf(AUDIT),
  )
    .map(([name, type]) => `${name} ${type}`)
    .join(', ')})`;

const FROM = { from_phase: 'text', from_version: 'bigint' };
/** What a move does to a counter: `place` is 1, -1, or 0 without a `place_account`. Without a `place_limit` a place is always free. */
const PLACE = { place_account: 'text', place: 'integer', place_limit: 'integer' };
/** Where the `webhook_url` of the task leads, beside the columns of its event. */
const WEBHOOK = { webhook_url: 'text', webhook_lane: 'text' };
const IDEMPOTENCY = { idempotency_key: 'text', body_hash: 'text', remembered_until: 'bigint' };
/** The limits of the task's project (p) and key (k): of money by month and day, and of unfinished tasks. */
const QUOTA = {
  p_month: 'bigint',
  p_day: 'bigint',
  p_flight: 'bigint',
  k_month: 'bigint',
  k_day: 'bigint',
  k_flight: 'bigint',
};
/** What the end of a task gives back of its hold; null if the move does not end it. */
const GIVEN_BACK = { given_back: 'bigint' };

/** SQL: how the counters know the task `g`. Keys that were made from each other by rotation are counted as one. */
const COUNTED_AS = `(g.price::json ->> 'holdMicros')::bigint as hold, g.price::json ->> 'currency' as currency,
        to_char(to_timestamp(g.created_at / 1000.0) at time zone 'UTC', 'YYYY-MM-DD') as day,
        to_char(to_timestamp(g.created_at / 1000.0) at time zone 'UTC', 'YYYY-MM') as month, 'project:' || g.project_id as of_project,
        'key:' || coalesce((select k.family from keys k where k.id = g.key_id), g.key_id) as of_key`;

/** SQL: the counters of these subjects and periods, locked in their order and before the counters of places. Three parameters. */
const lockQuotas = (first: number): string => `
      select subject, period, currency, amount from quota_counters
      where subject = any($${first}::text[] || array(
          select 'key:' || k.family from keys k where k.id = any($${first + 1}::text[]) and k.family is not null))
        and period = any($${first + 2}::text[])
      order by subject, period, currency for no key update`;

/** SQL: the order in which the counters of each task are looked at: of several that have too little left, the first is told. */
const TURN = `n, period = 'in_flight', length(period), place`;

/** SQL: the counter `c` counts the task `g`. */
const COUNTS = `c.subject in (g.of_project, g.of_key)
        and (c.period = 'in_flight' or (g.hold > 0 and c.currency = g.currency and c.period in (g.day, g.month)))`;

/** SQL: tells the other nodes about changed counters. `sender`: the number of its parameter. */
export const tellPlaces = (
  changed: string,
  sender: number,
): string => `pg_notify('${CHANNEL}', json_build_object(
  'from', $${sender}::text, 'kind', 'moved', 'tasks', '[]'::json, 'places', ${placesInMessage(changed, '100')})::text)`;

/** The task `t` is still in the state from which the move `g` starts. */
const UNCHANGED =
  't.id = g.id and t.phase = g.from_phase and t.version = g.from_version and t.owner = g.owner';

/** The files of project $1 that have not expired at $2, of purpose $3 or any. */
const FILES = `
    where kind = 'file' and project_id = $1 and state <> 'pending' and (expires_at is null or expires_at > $2)
      and ($3::text is null or purpose = $3)`;

const statements = {
  /**
   * A batch of acceptances: $1 tasks, $2 ledger, $3 media, $4 to $6 the subjects, keys and periods of their counters. Returns for each whether its
   * idempotency key was free (or its own) and whether it was written. An expired key is free. If two nodes use the same key, the second waits
   * here for the first and then sees its idempotency row, but not yet its task: so only columns of the row itself may be compared. Keys are
   * inserted in order, so that two nodes cannot deadlock.
   *
   * What limits leave is decided first, with the counters locked: a locked counter has its newest value, which nobody else can change. Of a task
   * that does not fit, nothing is written (`refusal`: the counter, and what it says by then), nor of one whose counter is missing or not counted
   * yet (`lacking`). In the end the counters change by what was really written. Where nothing is limited there are no counters, and every
   * part of this is empty.
   */
  accept: `
    with given as materialized (select * from ${rowsOf(1, { ...typesOf(TASKS), ...IDEMPOTENCY, ...QUOTA }, 'g')}),
    locked as materialized (${lockQuotas(4)}),
    counters as materialized (
      select row_number() over (order by subject, period, currency)::integer as place, l.* from locked l
    ),
    asking as materialized (
      select g.*, ${COUNTED_AS}
      from given g
      where (coalesce(p_month, p_day, p_flight, k_month, k_day, k_flight) is not null or exists (select from counters))
        and not exists (select from tasks t where t.id = g.id)
    ),
    uses as materialized (
      select g.n, c.place, c.subject, c.period, c.amount, case c.period when 'in_flight' then 1 else g.hold end as change,
        case when c.subject = g.of_project then case length(c.period) when 7 then p_month when 10 then p_day else p_flight end
          else case length(c.period) when 7 then k_month when 10 then k_day else k_flight end end as most
      from asking g join counters c on ${COUNTS}
    ),
    lacking as materialized (
      select distinct n from (
        select g.n, g.hold, s.is_limited, count(u.n) as found, bool_or(u.period = 'in_flight') as is_counted,
          bool_or(u.n is not null and u.amount is null) as is_unknown
        from asking g cross join lateral (values
          (g.of_project, coalesce(p_month, p_day, p_flight) is not null),
          (g.of_key, coalesce(k_month, k_day, k_flight) is not null)) s(subject, is_limited)
        left join uses u on u.n = g.n and u.subject = s.subject
        group by g.n, g.hold, s.subject, s.is_limited
      ) f
      where (is_counted or is_limited) and (found < case when hold > 0 then 3 else 1 end or (is_limited and is_unknown))
    ),
    refused as materialized (
      select r.n, json_build_object('subject', c.subject, 'period', c.period, 'currency', c.currency, 'amount', r.amount) as refusal
      from (
        select array_agg(n order by ${TURN}) as ns, array_agg(place order by ${TURN}) as places,
          array_agg(change order by ${TURN}) as changes, array_agg(most order by ${TURN}) as limits
        from uses where n not in (select n from lacking)
      ) u
      cross join lateral onetake_refused(ns, places, changes, limits, (select array_agg(coalesce(amount, 0) order by place) from counters)) r
      join counters c on c.place = r.counter
    ),
    fitting as materialized (
      select g.* from given g
      where not exists (select from lacking l where l.n = g.n) and not exists (select from refused r where r.n = g.n)
    ),
    claimed as (
      insert into idempotency as held (project_id, key, body_hash, task_id, expires_at)
      select project_id, idempotency_key, body_hash, id, remembered_until from fitting where idempotency_key is not null
      order by project_id, idempotency_key
      on conflict (project_id, key) do update set
        body_hash = excluded.body_hash, task_id = excluded.task_id, expires_at = excluded.expires_at
      where held.task_id = excluded.task_id
        or held.expires_at <= (select g.created_at from given g where g.id = excluded.task_id)
      returning task_id
    ),
    free as materialized (
      select g.* from fitting g
      where g.idempotency_key is null or exists (select from claimed c where c.task_id = g.id)
    ),
    inserted as (
      insert into tasks (${listOf(TASKS)}) select ${listOf(TASKS)} from free
      on conflict (id) do nothing
      returning id
    ),
    written as materialized (select f.n from free f join inserted i on i.id = f.id),
    reserved as (
      update quota_counters q set amount = q.amount + u.change
      from (
        select c.subject, c.period, c.currency, sum(u.change)::bigint as change
        from uses u join written using (n) join counters c using (place) group by 1, 2, 3
      ) u
      where q.subject = u.subject and q.period = u.period and q.currency = u.currency
    ),
    ledgered as (${insertLedger(2, 'written')}),
    filed as (${insertMedia(3, 'written')})
    select g.n, exists (select from free f where f.n = g.n) as free,
      exists (select from written w where w.n = g.n) as written,
      exists (select from lacking l where l.n = g.n) as lacking,
      (select r.refusal from refused r where r.n = g.n) as refusal
    from given g`,

  /** The task that was accepted with a key which is valid at the time $3. */
  remembered: `
    select i.body_hash, ${TASK_WITH_ATTEMPT}
    from idempotency i join tasks t on t.id = i.task_id ${JOIN_ATTEMPT}
    where i.project_id = $1 and i.key = $2 and i.expires_at > $3`,

  /**
   * A batch of moves of different tasks: $1 tasks, $2 attempts, $3 ledger, $4 media, $5 events, $6 the sender, $7 to $9
   * the subjects, keys and periods of the counters of tasks that end. Each is a compare-and-set: if another driver has moved or taken over the task since, the move is skipped with all its rows. Returns which moves were written,
   * and notifies the other nodes when it commits.
   *
   * The counters of places change with the moves. First they are locked, in the order of their ids and before any task, so that
   * statements cannot deadlock: a locked counter has its newest value, which nobody else can change. Then the moves that take a place
   * are ranked, and only those that find one free are allowed. (A move that is lost anyway is not reported as one without a place: it
   * may be the repetition of a write that took the place. But this statement does not see the task of a write that was committed while it
   * waited for the counter.) A move whose counter is missing is not written; see `makeCounters`. In
   * the end the counters change by what was really written. Of a deleted task, its events, their deliveries and what upstreams said of
   * earlier attempts are erased, too. A new event is announced at the endpoints that its project has in this moment.
   */
  commit: `
    with given as materialized (select * from ${rowsOf(1, { ...typesOf(TASKS), ...FROM, ...PLACE, ...GIVEN_BACK }, 'g')}),
    quotas as materialized (${lockQuotas(7)}),
    counters as materialized (
      select account_id, in_flight from account_places
      where member = '' and account_id = any(array(select place_account from given)) and (select count(*) from quotas) >= 0
      order by account_id for no key update
    ),
    ranked as materialized (
      select g.n, g.place, g.place_account, g.place_limit, c.in_flight,
        row_number() over (partition by g.place_account, g.place order by g.n) as rank
      from given g left join counters c on c.account_id = g.place_account
    ),
    allowed as materialized (
      select n, place, place_account from ranked
      where place = 0 or (in_flight is not null and (place < 0 or place_limit is null or rank <= place_limit - in_flight))
    ),
    written as (
      update tasks t set ${assign(TASKS, 'g.')}
      from given g join allowed a using (n)
      where ${UNCHANGED}
      returning g.n, t.id, t.version, t.attempt, t.deleted_at, a.place, a.place_account
    ),
    changed as (
      update account_places p set in_flight = greatest(0, p.in_flight + w.change)
      from (
        select place_account, sum(place) as change from written where place <> 0 group by place_account having sum(place) <> 0
      ) w
      where p.account_id = w.place_account and p.member = ''
      returning p.account_id, p.in_flight
    ),
    ended as materialized (
      select g.*, ${COUNTED_AS}
      from given g join written using (n) where g.given_back is not null and exists (select from quotas)
    ),
    returned as (
      update quota_counters q set amount = q.amount - e.change
      from (
        select c.subject, c.period, c.currency, sum(case c.period when 'in_flight' then 1 else g.given_back end)::bigint as change
        from ended g join quotas c on ${COUNTS} group by 1, 2, 3
      ) e
      where q.subject = e.subject and q.period = e.period and q.currency = e.currency
    ),
    tried as (
      insert into attempts (${listOf(ATTEMPTS)})
      select ${listOf(ATTEMPTS, 'a.')} from ${rowsOf(2, typesOf(ATTEMPTS), 'a')} join written using (n)
      on conflict (task_id, number) do update set ${assign(ATTEMPTS, 'excluded.')}
    ),
    erased as (
      update attempts e set detail = null
      where e.task_id = any(array(select id from written where deleted_at is not null))
        and not exists (select from written w where w.id = e.task_id and w.attempt = e.number)
    ),
    ledgered as (${insertLedger(3, 'written')}),
    filed as (${insertMedia(4, 'written')}),
    happened as materialized (select * from ${rowsOf(5, { ...typesOf(EVENTS), ...WEBHOOK }, 'e')}),
    logged as (
      insert into events (${listOf(EVENTS)})
      select ${listOf(EVENTS, 'e.')} from happened e join written using (n)
      on conflict (id) do nothing
      returning id
    ),
    announced as (
      insert into webhook_deliveries (${ANNOUNCED})
      select 'whd_' || lpad(to_hex(e.at), 12, '0') || left(replace(gen_random_uuid()::text, '-', ''), 20),
        e.id, e.type, e.project_id, e.task_id, w.id, w.lane, w.url, 'pending', 0, least(e.at, ${DATABASE_NOW}), e.at
      from logged join happened e using (id) cross join lateral (
        select id, id as lane, url from webhook_endpoints
        where project_id = e.project_id and disabled_reason is null
          and (events is null or events::jsonb ? e.type) and (models is null or models::jsonb ? e.model)
        union all
        select null, e.webhook_lane, e.webhook_url where e.webhook_url is not null
      ) w
      returning 1
    ),
    forgotten as (
      delete from events where task_id = any(array(select id from written where deleted_at is not null))
    ),
    undelivered as (
      delete from webhook_deliveries where task_id = any(array(select id from written where deleted_at is not null))
    ),
    message as materialized (select json_agg(json_build_array(id, version)) as tasks from written)
    select array(select n from written) as written,
      array(
        select r.n from ranked r join given g using (n) join tasks t on ${UNCHANGED}
        where r.place > 0 and r.in_flight is not null and not exists (select from allowed a where a.n = r.n)
      ) as without_place,
      array(select n from ranked where place <> 0 and in_flight is null) as without_counter,
      exists (select from announced) as announced,
      (select json_agg(json_build_array(account_id, coalesce(changed.in_flight, counters.in_flight)))
        from counters left join changed using (account_id)) as places,
      case when tasks is not null then pg_notify('${CHANNEL}', json_strip_nulls(json_build_object(
        'from', $6::text, 'kind', 'moved', 'tasks', tasks,
        'places', ${placesInMessage('changed', 'octet_length(tasks::text)')}))::text) end
    from message`,

  /** Makes the counters of the accounts $1 that are missing, with the number of places that are taken. */
  makeCounters: `
    select count(*) from onetake_recount_places(array(
      select a from unnest($1::text[]) as a
      where not exists (select from account_places p where p.account_id = a and p.member = '')))`,
  /** Corrects the counters of the accounts $1 and tells the other nodes; $2 the sender. */
  recountPlaces: `
    with wrong as materialized (
      select account as account_id, was, now_is as in_flight from onetake_recount_places($1::text[])
    )
    select json_agg(json_build_array(account_id, was, in_flight)) as wrong,
      case when count(*) > 0 then ${tellPlaces('wrong', 2)} end
    from wrong`,

  task: `${selectTasks} where t.id = $1`,
  tasks: `${selectTasks} where t.id = any($1::text[])`,
  versions: 'select id, version from tasks where id = any($1::text[])',

  /**
   * Takes over unfinished tasks of dead owners: $1 the new owner, $2 how many. There are few owners compared with their tasks. They
   * are read by jumping from one to the next in the index, and then their tasks owner by owner, so that only tasks that are taken are
   * locked. (The condition on the owner is a range: with "=", the planner is satisfied with the order by id and may read all tasks in
   * that order.) Tasks that another node is adopting are skipped. The version increases, so that a late write of the former owner
   * fails on its compare-and-set.
   */
  adopt: `
    with recursive owners as (
      (select owner from tasks where ${UNFINISHED} order by owner limit 1)
      union all
      select (select t.owner from tasks t where ${UNFINISHED} and t.owner > o.owner order by t.owner limit 1)
      from owners o where o.owner is not null
    ),
    dead as (
      select owner from owners
      where owner is not null and owner <> $1 and owner not in (${LIVING_NODES})
    ),
    orphans as materialized (
      select o.id
      from dead cross join lateral (
        select t.id from tasks t where ${UNFINISHED} and t.owner between dead.owner and dead.owner
        order by t.owner, t.id limit $2 for update skip locked
      ) o
      limit $2
    ),
    t as (
      update tasks set owner = $1, version = version + 1
      where id = any(array(select id from orphans))
      returning ${listOf(TASKS)}
    )
    select ${TASK_WITH_ATTEMPT} from t ${JOIN_ATTEMPT} order by t.id`,

  loads: `select owner, count(*) as load from tasks where ${UNFINISHED} group by owner`,
  /** As in `adopt`, a range of the index. */
  owned: `
    ${selectTasks}
    where ${UNFINISHED} and (t.owner, t.id) > ($1, $2) and t.owner <= $1
    order by t.owner, t.id limit $3`,

  /**
   * Transfers tasks: $1 the former owner, $2 the new one, $3 ids and $4 versions, at most as many as fit into a message, $5 the
   * sender. Tasks that are being moved are skipped, because their version is about to change.
   */
  transfer: `
    with at_rest as materialized (
      select t.id from tasks t join unnest($3::text[], $4::bigint[]) as g(id, version) using (id, version)
      where t.owner = $1 and ${UNFINISHED}
      for update of t skip locked
    ),
    given as (
      update tasks set owner = $2, version = version + 1 where id = any(array(select id from at_rest)) returning id
    )
    select array_agg(id) as ids, pg_notify('${CHANNEL}', json_build_object(
      'from', $5::text, 'kind', 'given', 'to', $2::text, 'tasks', json_agg(id))::text)
    from given having count(*) > 0`,

  /** Tasks that are being submitted to an account. The caller compares their prompts. */
  submittingLike: `
    select t.id, t.version, t.owner, t.request
    from tasks t ${JOIN_ATTEMPT}
    where t.phase = 'submitting' and a.account_id = $1 and a.upstream_model = $2 and t.id <> $3`,

  submittedLike: `
    select ${TASK_WITH_ATTEMPT} from tasks t ${JOIN_ATTEMPT}
    where a.account_id = $1 and a.find_version = $2 and a.upstream_model = $3 and a.upstream_id is not null
    order by a.submitted_at desc limit $4`,

  /** Held until the transaction ends, so that claims of one job are made one after the other, whatever the node. */
  lockJob: `select pg_advisory_xact_lock(hashtextextended(json_build_array($1::text, $2::text)::text, 0))`,
  otherAttemptByUpstream: `
    select from attempts where account_id = $1 and upstream_id = $2 and not (task_id = $3 and number = $4) limit 1`,
  attemptByUpstream: `select from attempts where account_id = $1 and upstream_id = $2 limit 1`,

  expired: `
    select ${TASK_WITH_ATTEMPT}
    from attempts e join tasks t on t.id = e.task_id ${JOIN_ATTEMPT}
    where e.outcome = 'expired' and e.upstream_id is not null and e.ended_at >= $1
    order by e.ended_at desc limit $2`,

  putMedia: `
    insert into media (${listOf(MEDIA)}) select ${listOf(MEDIA)} from ${rowsOf(1, typesOf(MEDIA), 'm')}
    ${PUT_MEDIA}`,
  media: `select ${listOf(MEDIA)} from media where id = $1`,
  mediaKeys: `select id, storage_key from media where id = any($1::text[])`,
  mediaOf: `select ${listOf(MEDIA)} from media where task_id = $1 order by id`,
  /** The node's clock may be ahead of all others: a row is due only if the database's clock agrees. */
  files: `select ${listOf(MEDIA)} from media ${FILES} and ($4::text is null or id < $4) order by id desc limit $5`,
  filesOldestFirst: `select ${listOf(MEDIA)} from media ${FILES} and ($4::text is null or id > $4) order by id limit $5`,
  /** Held until the transaction ends, so that files which are uploaded at once are counted one after the other. */
  lockFiles: `select pg_advisory_xact_lock(hashtextextended(json_build_array('files', $1::text)::text, 0))`,
  /** Of a project, besides one file. */
  bytesOfFiles: `
    select coalesce(sum(bytes), 0)::float8 as bytes from media where kind = 'file' and project_id = $1 and id <> $2`,
  sweepable: `
    select ${listOf(MEDIA)} from media
    where (expires_at <= least($1::bigint, ${DATABASE_NOW})
        or (state = 'pending' and created_at <= least($2::bigint, $2::bigint - $1::bigint + ${DATABASE_NOW})
        and not exists (select 1 from tasks where tasks.id = media.task_id and tasks.phase not in ('succeeded', 'failed'))))
      and id <> all($3::text[]) limit $4`,
  /** Rows that another node is removing are skipped. */
  removeMedia: `
    delete from media where id in (select id from media where id = any($1::text[]) for update skip locked)`,

  markDamaged: `
    update media set state = 'damaged'
    where id = $1 and storage_key = $2 and state = 'present' and (expires_at is null or expires_at > $3) returning id`,

  mediaToRepair: `
    select ${listOf(MEDIA)} from media
    where state in ('pending', 'damaged') and (state = 'damaged' or (kind = 'poster' and created_at <= $1)) and id > $2
    order by id limit $3`,
  mediaToCheck: `
    select ${listOf(MEDIA)} from media
    where state = 'present' and (case when checked_at > created_at then checked_at else created_at end) <= $1
    order by (case when checked_at > created_at then checked_at else created_at end) limit 10`,
  markChecked: `update media set checked_at = $2 where id = $1`,

  /** Records that another node is removing, or that a submission is renewing, are skipped. */
  removeIdempotency: `
    with old as materialized (
      select project_id, key from idempotency where expires_at <= least($1::bigint, ${DATABASE_NOW})
      order by expires_at limit $2 for update skip locked
    ),
    removed as (
      delete from idempotency i using old where i.project_id = old.project_id and i.key = old.key returning 1
    )
    select count(*) as removed from removed`,

  /** $1 the account, $2 the audit row as JSON, $3 the sender. */
  retryAccount: `
    with tried as (
      update account_state set blocked_until = 0, revision = revision + 1
      where account_id = $1 and failures > 0 returning account_id
    ),
    noted as (
      ${insertAudit(2, 'tried')}
    )
    select pg_notify('${CHANNEL}', json_build_object('from', $3::text, 'kind', 'retry', 'account', account_id)::text) from tried`,
  accountStates: `
    select account_id, failures, blocked_until::float8 as blocked_until, last_error, reason, failed_since::float8 as failed_since
    from account_state order by account_id`,
  accountCounts: `
    select a.account_id, count(*)::int as n from tasks t join attempts a on a.task_id = t.id and a.number = t.attempt
    where t.phase in ('submitting', 'running') group by a.account_id order by a.account_id`,

  putSecret: `insert into secrets (name, value) values ($1, $2) on conflict (name) do nothing`,
  secret: `select value from secrets where name = $1`,

  readOnly: `select pg_is_in_recovery() as in_recovery, current_setting('transaction_read_only')::boolean as read_only`,
  // Returns the tables that the gateway may no longer write, and writes a row.
  writeCheck: `
    with written as (
      insert into write_check (id, written) values (1, 1)
      on conflict (id) do update set written = write_check.written + 1 returning id
    )
    select array(
      select name from unnest($1::text[]) as t(name)
      where not (has_table_privilege(name, 'select') and has_table_privilege(name, 'insert') and has_table_privilege(name, 'update'))
    ) as denied from written`,
  // Creates a file of its own on the server's disk for a moment: rows that fit into free space of existing pages would prove nothing.
  spaceCheck: `create temporary table onetake_space_check on commit drop as select repeat('x', 1000) as bytes`,
} as const;

/**
 * Names the statements, so that the server keeps their plans. A digest of the text is in the name: two parts of the store may give the same
 * name to different statements, which a connection refuses.
 */
export const named = <Name extends string>(texts: Readonly<Record<Name, string>>) =>
  Object.fromEntries(
    Object.entries<string>(texts).map(([name, text]) => [
      name,
      { name: `onetake-${name}-${hash('sha256', text).slice(0, 8)}`, text },
    ]),
  ) as { readonly [N in Name]: Statement };

/** Every statement of the PostgreSQL store but those of limits, by name. */
export const SQL = named(statements);
