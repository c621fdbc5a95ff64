/** How permits were reserved before a node could be overdue. In a rolling upgrade, such nodes and new ones share a rate. */
export const earlierReserve = (clock: string): string => `
    with given as materialized (select * from json_to_recordset($1::json) as r(n integer, account text, kind text, wanted integer,
      interval_ms double precision, burst double precision, part double precision)),
    locked as materialized (
      select r.account_id, r.kind, r.tat, r.contended_at
      from account_rates r join given g on g.account = r.account_id and g.kind = r.kind
      order by r.account_id, r.kind for no key update of r
    ),
    clock as materialized (
      select count(*), (${clock})::double precision as now, set_config('synchronous_commit', 'off', true) from locked
    ),
    due as materialized (
      select g.*, c.now, l.tat, l.contended_at,
        least(greatest(l.tat, c.now - (g.burst - 1) * g.interval_ms),
          c.now + greatest(250, g.interval_ms) + g.interval_ms) as base,
        case when g.interval_ms < 250 then 250 else 25 end as ahead
      from given g join locked l on l.account_id = g.account and l.kind = g.kind cross join clock c
    ),
    fitting as materialized (
      select d.*, greatest(0, floor((now + ahead - base) / interval_ms) + 1) as fit,
        case when abs(now - contended_at) < 1000
          then greatest(1, floor(part * 250 / interval_ms)) else wanted end as in_part
      from due d
    ),
    granted as materialized (select f.*, least(wanted, fit, in_part) as n_granted from fitting f),
    written as (
      update account_rates r set tat = g.base + g.n_granted * g.interval_ms,
        contended_at = case when g.fit < g.wanted then g.now else r.contended_at end
      from granted g
      where r.account_id = g.account and r.kind = g.kind and (
        g.n_granted > 0 or g.base < g.tat or (g.fit < g.wanted and abs(g.now - g.contended_at) > 500))
    )
    select g.n, g.n_granted::integer as granted, g.base - g.now as first_ms,
      case when g.n_granted < least(g.wanted, g.fit) then g.n_granted * g.interval_ms / 2
        else greatest(0, g.base + g.n_granted * g.interval_ms - g.ahead - g.now) end as again_ms,
      s.failures, greatest(0, s.blocked_until - g.now) as wait_ms, s.reason, s.revision::double precision as revision
    from granted g left join account_state s on s.account_id = g.account order by g.n`;
