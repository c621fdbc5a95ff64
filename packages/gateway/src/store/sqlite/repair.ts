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
 * Earlier versions applied migrations statement by statement, without a transaction. A process that was killed meanwhile has left
 * some of a step's tables and indexes, and no note of it. Each statement was whole or not there, so the step can be
 * completed: what exists is kept, and compared with what it should be.
 */

/** Steps that may have been left half done. Those that come later are applied in a transaction by every version. */
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

/** Applies a step, or completes it. Throws a 503 where something of another shape is in its place. */
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
  /** As SQLite keeps it: without `if not exists`. */
  readonly sql: string;
}

/** What a new database has after a step. */
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
  // Those that SQLite makes for constraints have no text of their own.
  const objects = sql<SchemaObject>`select name, sql from sqlite_schema where sql is not null`;
  return (await objects.execute(db)).rows;
}
