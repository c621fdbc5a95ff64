import type { Log } from '../../observability/log.ts';
import { createRowReader } from '../readRows.ts';
import type { Store } from '../store.ts';
import { postgresAccounts } from './accounts.ts';
import { checkWrites, createSpaceWatch } from './check.ts';
import { unusableDatabase } from './errors.ts';
import { postgresKeys } from './keys.ts';
import { postgresMedia } from './media.ts';
import { migratePostgres } from './migrations.ts';
import type { PostgresParts } from './parts.ts';
import { openConnections } from './pool.ts';
import { SQL } from './statements.ts';
import { postgresOwnership, postgresTasks } from './tasks.ts';
import { createWrites } from './writes.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; may lead through a pooler in transaction mode. */
  readonly url: string;
  /** Whose name writes are told under; read at each write. */
  readonly cluster: { readonly node: string };
  /** Connections at a time. */
  readonly poolSize: number;
  /** Whether the server may keep plans by name: not through a pooler that knows no names. */
  readonly namedStatements: boolean;
  /** Uses after which a connection is closed; no limit unless told. */
  readonly usesPerConnection?: number;
  /** Longest wait for an answer, milliseconds. Default: 15 seconds. */
  readonly answerTimeoutMs?: number;
  readonly log?: Pick<Log, 'warn' | 'error'>;
}

/** Batches of one kind on their way at a time, at most. More would only be smaller. */
const MOST_BATCHES = 8;

/** The store that many nodes share: PostgreSQL 14 or newer. Migrates it if need be. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const space = createSpaceWatch();
  const connections = openConnections({ ...options, size: options.poolSize, onError: space.note });
  const { run, read } = connections;
  const check = () => checkWrites(connections, space);
  try {
    await migratePostgres(options.url);
    await check();
  } catch (error) {
    await connections.close();
    throw unusableDatabase(options.url, error);
  }
  const rows = createRowReader(options.log);
  const node = () => options.cluster.node;
  const writes = createWrites({
    connections,
    rows,
    node,
    // Acceptances and moves together leave a fifth of the connections to those who read.
    concurrency: Math.max(1, Math.min(MOST_BATCHES, Math.floor(options.poolSize * 0.4))),
  });
  const parts: PostgresParts = { connections, rows, node };

  return {
    ...postgresTasks(parts, writes),
    ...postgresOwnership(parts),
    ...postgresMedia(parts),
    ...postgresKeys(parts),
    ...postgresAccounts(parts),
    async secret(name, make) {
      // Of nodes that start at once one writes; a second statement sees whose value stands.
      await run(SQL.putSecret, [name, make()]);
      const [row] = await read<{ value: string }>(SQL.secret, [name]);
      return row?.value ?? '';
    },
    // Other nodes tell that keys changed (`cluster/messages.ts`); there is nothing to look for here.
    onExternalChange: () => () => undefined,
    unreadable: () => rows.unreadable,
    check,
    async close() {
      await writes.close();
      await connections.close();
    },
  };
}
