import { Client } from 'pg';

/** The database's view of a task, read with plain SQL, because the code under test must not vouch for itself. */
export interface TaskRecord {
  readonly id: string;
  readonly prompt: string;
  readonly phase: string;
  readonly owner: string;
  readonly reason: string | undefined;
  readonly result:
    | {
        readonly videoId: string;
        readonly bytes: number;
        readonly sha256: string;
        readonly costMicros: number;
      }
    | undefined;
  readonly holdMicros: number;
  /** When the last attempt was intended, milliseconds UTC. */
  readonly intendedAt: number | undefined;
  readonly endedAt: number | undefined;
  readonly attempts: number;
  /** Sums by kind, in micro-units. */
  readonly ledger: Readonly<Partial<Record<'hold' | 'capture' | 'release', number>>>;
  /** The key of its video in the storage. */
  readonly storageKey: string | undefined;
  /** Idempotency keys that lead to it. */
  readonly keys: readonly string[];
}

interface Row {
  id: string;
  request: string;
  phase: string;
  owner: string;
  error: string | null;
  result: string | null;
  price: string;
  intended_at: string | null;
  ended_at: string | null;
  attempts: string;
  ledger: Record<string, number> | null;
  storage_key: string | null;
  keys: string[] | null;
}

const TASKS = `
  select t.id, t.request, t.phase, t.owner, t.error, t.result, t.price,
    last.intended_at, last.ended_at,
    (select count(*) from attempts a where a.task_id = t.id) as attempts,
    (select json_object_agg(l.kind, l.amount_micros) from ledger l where l.task_id = t.id) as ledger,
    (select m.storage_key from media m where m.task_id = t.id and m.kind = 'video' and m.state = 'present') as storage_key,
    (select array_agg(i.key) from idempotency i where i.task_id = t.id) as keys
  from tasks t
  left join attempts last on last.task_id = t.id and last.number = t.attempt`;

export async function readTasks(databaseUrl: string): Promise<TaskRecord[]> {
  const { rows } = await query<Row>(databaseUrl, TASKS);
  return rows.map((row) => ({
    id: row.id,
    prompt: JSON.parse(row.request).prompt,
    phase: row.phase,
    owner: row.owner,
    reason: row.error === null ? undefined : JSON.parse(row.error).reason,
    result: row.result === null ? undefined : JSON.parse(row.result),
    holdMicros: JSON.parse(row.price).holdMicros,
    intendedAt: row.intended_at === null ? undefined : Number(row.intended_at),
    endedAt: row.ended_at === null ? undefined : Number(row.ended_at),
    attempts: Number(row.attempts),
    ledger: row.ledger ?? {},
    storageKey: row.storage_key ?? undefined,
    keys: row.keys ?? [],
  }));
}

/** The number of unfinished tasks: of all, of those with these prompts, and of those whose submission is not being searched for. */
export async function countUnfinished(
  databaseUrl: string,
  {
    prompts,
    butSearched = false,
  }: { readonly prompts?: readonly string[]; readonly butSearched?: boolean } = {},
): Promise<number> {
  const { rows } = await query<{ count: string }>(
    databaseUrl,
    `select count(*) from tasks where phase not in ('succeeded', 'failed')
      and ($1::text[] is null or request::json->>'prompt' = any($1))
      and not ($2 and phase = 'submitting')`,
    [prompts, butSearched],
  );
  return Number(rows[0]?.count);
}

/** The class of the lease locks (packages/gateway/src/store/postgres/nodes.ts), repeated here, so that an error there shows. */
const LOCK_CLASS = 0x0e7a;
/** Which node's session uses which port. */
export const SESSIONS = `
  select 'node-' || l.objid as node, a.client_port as port
  from pg_locks l join pg_stat_activity a on a.pid = l.pid
  where l.locktype = 'advisory' and l.classid = ${LOCK_CLASS} and l.granted`;

/** Names of the nodes that hold a lease. */
export async function leaseHolders(databaseUrl: string): Promise<ReadonlySet<string>> {
  const { rows } = await query<{ node: string }>(databaseUrl, SESSIONS);
  return new Set(rows.map(({ node }) => node));
}

async function query<R extends object>(
  databaseUrl: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<{ rows: R[] }> {
  const client = new Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.query<R>(text, [...values]);
  } finally {
    await client.end();
  }
}
