import { type Kysely, sql } from 'kysely';
import { OnetakeError } from '../../tasks/errors.ts';
import type { Dialect } from './dialect.ts';
import { migrationsFor } from './index.ts';

/** The migrations that a database has, each with the time it was applied. Named and shaped as Kysely's migrator does it. */
const TABLE = 'kysely_migration';

/** Makes one step of the schema. */
type Up = (db: Kysely<unknown>) => Promise<void>;

/** Names of the migrations that a database lacks, in order. Throws where it is not one for this version. */
export async function pendingMigrations<Tables>(
  db: Kysely<Tables>,
  dialect: Dialect,
): Promise<readonly string[]> {
  const applied = new Set(await appliedMigrations(db));
  const ours = Object.keys(migrationsFor(dialect));
  const pending = ours.filter((name) => !applied.has(name));
  const unknown = [...applied].filter((name) => !ours.includes(name));
  // A newer version has been here, and its migrations only add to what this one reads: both run side by side.
  if (pending.length > 0 && unknown.length > 0) {
    throw new OnetakeError(
      'database_too_new',
      503,
      `The database has migrations that this version does not know (${unknown.join(', ')}) and lacks others that it needs ` +
        `(${pending.join(', ')}). Run the version of Onetake that made it, or a newer one.`,
    );
  }
  return pending;
}

/**
 * Applies the first migration that a database lacks, and notes it. Resolves with its name; undefined where there is none.
 * `db` must be in a transaction in which nobody else migrates: the step and its note are there together, or neither is.
 */
export async function applyNextMigration(
  db: Kysely<unknown>,
  dialect: Dialect,
  apply: (name: string, up: Up) => Promise<void> = (_name, up) => up(db),
): Promise<string | undefined> {
  const [name] = await pendingMigrations(db, dialect);
  if (name === undefined) return undefined;
  const up = migrationsFor(dialect)[name]?.up;
  if (!up) throw new Error(`there is no migration ${name}`);
  await apply(name, up);
  await sql`create table if not exists ${sql.table(TABLE)}
    (name varchar(255) not null primary key, "timestamp" varchar(255) not null)`.execute(db);
  await sql`insert into ${sql.table(TABLE)} (name, "timestamp")
    values (${name}, ${await nextTimestamp(db)})`.execute(db);
  return name;
}

/** Versions that use Kysely's migrator read the order of the migrations from their times, which must therefore differ. */
async function nextTimestamp(db: Kysely<unknown>): Promise<string> {
  const { rows } = await sql<{
    last: string | null;
  }>`select max("timestamp") as last from ${sql.table(TABLE)}`.execute(db);
  const last = Date.parse(rows[0]?.last ?? '');
  return new Date(Math.max(Date.now(), Number.isNaN(last) ? 0 : last + 1)).toISOString();
}

async function appliedMigrations<Tables>(db: Kysely<Tables>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === TABLE)) return [];
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(TABLE)} order by name`.execute(
    db,
  );
  return rows.map(({ name }) => name);
}
