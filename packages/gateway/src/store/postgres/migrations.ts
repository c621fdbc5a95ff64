import { setTimeout as sleep } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { DatabaseError, Pool } from 'pg';
import { OnetakeError } from '../../tasks/errors.ts';
import { applyNextMigration, pendingMigrations } from '../migrations/run.ts';
import { unusableDatabase } from './errors.ts';
import { assertUsable } from './server.ts';
import { connectionTo, parseDatabaseUrl } from './url.ts';

/** Keeps migrations apart from other holders of locks in the database; chosen at will. */
const LOCK = 0x0e7a_0001;
const CONNECT_TIMEOUT_MS = 5000;
/** How long a start waits for others that migrate, or that hold a table: longer than a migration of many tasks takes. */
const PATIENCE_MS = 15 * 60_000;
const TRY_MS = 250;
/** Between two lines about the same wait. */
const TELL_MS = 10_000;
const LOCK_NOT_AVAILABLE = '55P03';

export interface MigrateOptions {
  /** Told what a migration waits for, every few seconds. */
  readonly say?: (message: string) => void;
  readonly patienceMs?: number;
}

/**
 * Applies what a database lacks, and resolves with the names of it. All of it in one transaction, under a lock of that
 * transaction: several nodes may do this at once, through a pooler as well, and one that dies leaves nothing half done.
 */
export function migratePostgres(url: string, options: MigrateOptions = {}): Promise<readonly string[]> {
  return withDatabase(url, { writes: true }, async (db) => {
    // A database that is up to date is left alone: no lock, and no right to change tables needed.
    if ((await pendingMigrations(db, 'postgres')).length === 0) return [];
    return inTurn(db, options, async (inside) => {
      const applied: string[] = [];
      for (;;) {
        const name = await applyNextMigration(inside, 'postgres');
        if (name === undefined) return applied;
        applied.push(name);
      }
    });
  });
}

/** Names of the migrations that a database lacks. */
export const pendingInPostgres = (url: string): Promise<readonly string[]> =>
  withDatabase(url, { writes: false }, (db) => pendingMigrations(db, 'postgres'));

/** Does `work` in a transaction that has the lock of migrations. Says who is in the way, and gives up in the end. */
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

/** Undefined where somebody else has the lock, or holds a table that is to be changed. */
async function tryInTurn<T>(
  db: Kysely<unknown>,
  work: (inside: Kysely<unknown>) => Promise<T>,
): Promise<{ readonly result: T } | undefined> {
  try {
    return await db.transaction().execute(async (inside) => {
      // Whoever waits for a table makes all others wait behind it.
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

/** The sessions that have the lock of migrations, or have held a table for seconds, in words. */
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
    `The database is to be migrated, and has waited ${Math.round(patienceMs / 1000)} s for ${holders}. Wait until that ends, or end it ` +
      '(select pg_terminate_backend(pid)), and start again.',
  );
}

async function withDatabase<T>(
  url: string,
  { writes }: { readonly writes: boolean },
  work: (db: Kysely<unknown>) => Promise<T>,
): Promise<T> {
  // No limit on how long a statement takes: others may wait for a long migration, on a connection that keeps alive.
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
    // Kysely ends the pool only where it has asked something.
    if (!pool.ending) await pool.end();
  }
}
