import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { DatabaseError, Pool } from 'pg';
import { OnetakeError } from '../../tasks/errors.ts';
import { applyNextMigration, pendingMigrations } from '../migrations/run.ts';
import { unusableDatabase } from './errors.ts';
import { assertUsable } from './server.ts';
import { connectionTo, parseDatabaseUrl } from './url.ts';

/** The lock of migrations: an arbitrary number that keeps it apart from other locks in the database. */
const LOCK = 0x0e7a_0001;
const CONNECT_TIMEOUT_MS = 5000;
/** How long a start waits for another migration, or for a session that holds a table. Longer than a migration of many tasks takes. */
const PATIENCE_MS = 15 * 60_000;
const TRY_MS = 250;
/** Interval between messages about the same wait. */
const TELL_MS = 10_000;
const LOCK_NOT_AVAILABLE = '55P03';

export interface MigrateOptions {
  /** Called every few seconds with what the migration waits for. */
  readonly say?: (message: string) => void;
  readonly patienceMs?: number;
}

/**
 * Applies the pending migrations and resolves with the names of those that it has applied. Each runs in a transaction of its own, so that
 * it holds its tables for no longer than it needs them, under a lock that ends with the transaction. So several nodes can call this at the
 * same time, even through a pooler, and a node that dies leaves no migration half done.
 */
export function migratePostgres(url: string, options: MigrateOptions = {}): Promise<readonly string[]> {
  return withDatabase(url, { writes: true }, async (db) => {
    const applied: string[] = [];
    // An up-to-date database needs neither the lock nor the right to alter tables.
    while ((await pendingMigrations(db, 'postgres')).length > 0) {
      const name = await inTurn(db, options, (inside) => applyNextMigration(inside, 'postgres'));
      if (name !== undefined) applied.push(name);
    }
    return applied;
  });
}

/** Names of the pending migrations of a database. */
export const pendingInPostgres = (url: string): Promise<readonly string[]> =>
  withDatabase(url, { writes: false }, (db) => pendingMigrations(db, 'postgres'));

/**
 * Runs `work` in a transaction that holds the lock of migrations. Reports which sessions it waits for, and fails after `patienceMs`.
 */
async function inTurn<T>(
  db: Kysely<unknown>,
  { say = () => undefined, patienceMs = PATIENCE_MS }: MigrateOptions,
  work: (inside: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  const until = performance.now() + patienceMs;
  let tellAt = 0;
  for (;;) {
    const done = await tryInTurn(db, work);
    if (done) return done.result;
    const now = performance.now();
    if (now < until && now < tellAt) {
      await sleep(TRY_MS);
      continue;
    }
    const holders = await lockHolders(db);
    if (now >= until) throw stillLocked(holders, patienceMs);
    say(`The migration waits for ${holders}.`);
    tellAt = now + TELL_MS;
  }
}

/** Undefined if another session holds the lock, or a table that must be altered. */
async function tryInTurn<T>(
  db: Kysely<unknown>,
  work: (inside: Kysely<unknown>) => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  try {
    return await db.transaction().execute(async (inside) => {
      // A session that waits for a table lock makes all others wait behind it.
      await sql`set local lock_timeout = '5s'`.execute(inside);
      const { rows } = await sql<{
        granted: boolean;
      }>`select pg_try_advisory_xact_lock(${LOCK}) as granted`.execute(inside);
      return rows[0]?.granted ? { result: await work(inside) } : undefined;
    });
  } catch (error) {
    if (error instanceof DatabaseError && error.code === LOCK_NOT_AVAILABLE) return undefined;
    throw error;
  }
}

/** Describes the sessions that hold the lock of migrations, or have held a table for seconds. */
async function lockHolders(db: Kysely<unknown>): Promise<string> {
  const { rows } = await sql<{
    pid: number;
    name: string;
    address: string | null;
    state: string | null;
    since: string;
  }>`
    select distinct pid, application_name as name, client_addr::text as address, state,
      to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') as since
    from pg_locks join pg_stat_activity using (pid)
    where granted and pid <> pg_backend_pid() and database = (select oid from pg_database where datname = current_database())
      and ((locktype = 'advisory' and classid = 0 and objid = ${LOCK} and objsubid = 1)
        or (locktype = 'relation' and xact_start < now() - interval '3 seconds'
          and relation in (select oid from pg_class where relnamespace = current_schema()::regnamespace)))
    order by since limit 3`.execute(db);
  if (rows.length === 0) return 'a lock that another session had a moment ago';
  const words = rows.map(
    ({ pid, name, address, state, since }) =>
      `process ${pid} (${name || 'no application_name'}${address === null ? '' : ` at ${address}`}, ${state ?? 'state unknown'}, since ${since})`,
  );
  return `a lock of ${new Intl.ListFormat('en-GB').format(words)}`;
}

function stillLocked(holders: string, patienceMs: number): OnetakeError {
  return new OnetakeError(
    'migration_locked',
    503,
    `The database must be migrated, and the migration has waited ${Math.round(patienceMs / 1000)} s for ${holders}. Wait until that ends, or end it ` +
      '(select pg_terminate_backend(pid)), and start again.',
  );
}

async function withDatabase<T>(
  url: string,
  { writes }: { readonly writes: boolean },
  work: (db: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  // No statement timeout: a migration may take long, or wait for another one.
  const pool = new Pool({
    ...connectionTo(url),
    max: 1,
    application_name: 'onetake migrate',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  pool.on('error', () => undefined);
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    await assertUsable(pool, { host: parseDatabaseUrl(url).host, writes });
    return await work(db);
  } catch (error) {
    throw unusableDatabase(url, error);
  } finally {
    await db.destroy();
    // Kysely ends the pool only if it has run a query.
    if (!pool.ending) await pool.end();
  }
}
