import Database from 'better-sqlite3';
import {
  CreateIndexNode,
  CreateTableNode,
  Kysely,
  type KyselyPlugin,
  type RootOperationNode,
  SqliteDialect,
  sql,
} from 'kysely';
import { OnetakeError } from '../../tasks/errors.ts';
import { migrationsFor } from '../migrations/index.ts';

/*
 * Earlier versions applied migrations statement by statement, without a transaction. A process that was killed in between has left
 * some of a migration's tables and indexes, and no record of it. Each statement was applied completely or not at all. So the
 * migration can be completed: what exists is kept, and compared with what it should be.
 */

/** Migrations that may have been left half done. Every version applies later ones in a transaction. */
const STEPS: ReadonlySet<string> = new Set(['0001_initial', '0002_cluster', '0003_accounts']);

const createWhatIsMissing: KyselyPlugin = {
  transformQuery({ node }): RootOperationNode {
    if (CreateTableNode.is(node)) return CreateTableNode.cloneWith(node, { ifNotExists: true });
    if (CreateIndexNode.is(node)) return CreateIndexNode.cloneWith(node, { ifNotExists: true });
    return node;
  },
  transformResult: async ({ result }) => result,
};

type Up = (db: Kysely<unknown>) => Promise<void>;

/** Applies or completes a migration. Throws a 503 if an existing table or index differs from that of the migration. */
export async function applyOrComplete(db: Kysely<unknown>, name: string, up: Up): Promise<void> {
  if (!STEPS.has(name)) return up(db);
  await up(db.withPlugin(createWhatIsMissing));
  const there = new Map((await schemaOf(db)).map((object) => [object.name, object.sql]));
  for (const expected of await schemaAfter(name)) {
    if (there.get(expected.name) === expected.sql) continue;
    const message =
      `"${expected.name}" in the database is not what this version of Onetake makes: it was changed by hand, or the file ` +
      'belongs to something else. Restore a backup, or use another folder with ONETAKE_DATA_DIR.';
    throw new OnetakeError('database_unusable', 503, message);
  }
}

interface SchemaObject {
  readonly name: string;
  /** As SQLite stores it: without `if not exists`. */
  readonly sql: string;
}

/** The schema of a new database after a migration. */
async function schemaAfter(last: string): Promise<readonly SchemaObject[]> {
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: new Database(':memory:') }) });
  try {
    for (const [name, { up }] of Object.entries(migrationsFor('sqlite'))) {
      await up(db);
      if (name === last) break;
    }
    return await schemaOf(db);
  } finally {
    await db.destroy();
  }
}

async function schemaOf(db: Kysely<unknown>): Promise<readonly SchemaObject[]> {
  // Indexes that SQLite creates for constraints have no SQL text.
  const objects = sql<SchemaObject>`select name, sql from sqlite_schema where sql is not null`;
  return (await objects.execute(db)).rows;
}
