import { type Kysely, sql } from 'kysely';
import { OnetakeError } from '../../tasks/errors.ts';
import type { Dialect } from './dialect.ts';
import { migrationsFor } from './index.ts';

/** The applied migrations and when they were applied. Same name and columns as the table of Kysely's migrator. */
const TABLE = 'kysely_migration';

/** Applies one migration. */
type Up = (db: Kysely<unknown>) => Promise<void>;

/** Names of the pending migrations of a database, in order. Throws if this version cannot use the database. */
export async function pendingMigrations<Tables>(
  db: Kysely<Tables>,
  dialect: Dialect,
): Promise<readonly string[]> {
  const applied = new Set(await appliedMigrations(db));
  const ours = Object.keys(migrationsFor(dialect));
  const pending = ours.filter((name) => !applied.has(name));
  const unknown = [...applied].filter((name) => !ours.includes(name));
  // A newer version has migrated the database. Its migrations only add to the schema, so that both versions can run side by side.
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
 * Applies the first pending migration and records it. Resolves with its name; undefined if there is none. `db` must be in a
 * transaction that excludes other migrations, so that the change and its record are committed together.
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
  await record(db, name);
  return name;
}

/**
 * Applies and records all migrations, to a database that has no tables yet, and resolves with their names. `db` must be in a transaction, as
 * for `applyNextMigration`.
 */
export async function applyAllMigrations(db: Kysely<unknown>, dialect: Dialect): Promise<readonly string[]> {
  const migrations = Object.entries(migrationsFor(dialect));
  for (const [name, { up }] of migrations) {
    await up(db);
    await record(db, name);
  }
  return migrations.map(([name]) => name);
}

async function record(db: Kysely<unknown>, name: string): Promise<void> {
  await sql`create table if not exists ${sql.table(TABLE)}
    (name varchar(255) not null primary key, "timestamp" varchar(255) not null)`.execute(db);
  await sql`insert into ${sql.table(TABLE)} (name, "timestamp")
    values (${name}, ${await nextTimestamp(db)})`.execute(db);
}

/** Earlier versions use Kysely's migrator, which derives the order of the migrations from their times. So the times must differ. */
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
