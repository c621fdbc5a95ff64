import { Client, Pool } from 'pg';
import { onTestFinished } from 'vitest';
import { migratePostgres } from '../../../src/store/postgres/migrations.ts';
import { COUNTING_LOCK_CLASS, LOCK_CLASS, nodeName } from '../../../src/store/postgres/nodes.ts';
import { freshDatabase } from '../servers/database.ts';

/** A database of the test's own with all tables, and nodes that live in it only by their locks. */
export interface Sessions {
  readonly url: string;
  readonly pool: Pool;
  /** Takes the locks of a node; resolves with its name. A node of an earlier version lacks one of them. */
  join(options?: { readonly old?: boolean }): Promise<string>;
  /** Ends the node: its lock is released with its connection. */
  die(node: string): Promise<void>;
}

export async function createSessions(): Promise<Sessions> {
  const url = await freshDatabase();
  const pool = new Pool({ connectionString: url, max: 8 });
  const nodes = new Map<string, Client>();
  let joined = 0;
  onTestFinished(async () => {
    await Promise.all([...nodes.values()].map((client) => client.end()));
    await pool.end();
  });
  await migratePostgres(url);

  return {
    url,
    pool,
    async join({ old = false } = {}) {
      joined += 1;
      const number = joined;
      const client = new Client({ connectionString: url });
      await client.connect();
      for (const lock of old ? [LOCK_CLASS] : [COUNTING_LOCK_CLASS, LOCK_CLASS])
        await client.query('select pg_advisory_lock($1, $2)', [lock, number]);
      nodes.set(nodeName(number), client);
      return nodeName(number);
    },
    async die(node) {
      const client = nodes.get(node);
      nodes.delete(node);
      await client?.end();
      // The server releases the lock a moment after its client has disconnected.
      for (;;) {
        const { rows } = await pool.query(
          "select from pg_locks where locktype = 'advisory' and classid = $1::oid and objid = $2::oid and database = (select oid from pg_database where datname = current_database())",
          [LOCK_CLASS, Number(node.slice('node-'.length))],
        );
        if (rows.length === 0) return;
      }
    },
  };
}
