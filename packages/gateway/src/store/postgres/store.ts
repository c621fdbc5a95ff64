import type { Log } from '../../observability/log.ts';
import { postgresQuotas } from '../quota/postgres.ts';
import { createRowReader } from '../readRows.ts';
import { postgresRetention } from '../retention/postgres.ts';
import type { Store } from '../store.ts';
import { checkWrites, createSpaceWatch } from './check.ts';
import { unusableDatabase } from './errors.ts';
import { postgresEstimates } from './estimates.ts';
import { postgresEvents, settleEventLog } from './events.ts';
import { postgresKeys, postgresProjects } from './keys.ts';
import { postgresLimits, postgresSharedLimits } from './limits.ts';
import { postgresMedia } from './media.ts';
import { migratePostgres } from './migrations.ts';
import { openConnections, type PostgresParts } from './pool.ts';
import { SQL } from './statements.ts';
import { postgresOwnership, postgresTasks } from './tasks.ts';
import { postgresWebhooks } from './webhooks.ts';
import { createWrites } from './writes.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; may lead through a pooler in transaction mode. */
  readonly url: string;
  /** Provides the current name of this node, with which writes send messages to other nodes. */
  readonly cluster: { readonly node: string };
  /** Connections at a time. */
  readonly poolSize: number;
  /** Whether statements are prepared under names; false behind a pooler in transaction mode. */
  readonly namedStatements: boolean;
  /** Uses after which a connection is closed; unlimited by default. */
  readonly usesPerConnection?: number;
  /** Longest wait for a response, in milliseconds. Default: 15 seconds. */
  readonly answerTimeoutMs?: number;
  /** SQL for the time of rates and back-offs in milliseconds UTC, instead of the database's clock. */
  readonly limitsClock?: string;
  readonly log?: Pick<Log, 'warn' | 'error'>;
}

/** Most batches of one kind in flight. More of them would only be smaller. */
const MOST_BATCHES = 8;

/** Opens the store that several nodes share: PostgreSQL 14 or newer. Applies pending migrations. */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const space = createSpaceWatch();
  const connections = openConnections({ ...options, size: options.poolSize, onError: space.note });
  const { run, read } = connections;
  const check = () => checkWrites(connections, space);
  try {
    await migratePostgres(options.url);
    await check();
    await settleEventLog(connections);
  } catch (error) {
    await connections.close();
    throw unusableDatabase(options.url, error);
  }
  const rows = createRowReader(options.log);
  const node = () => options.cluster.node;
  const placesListeners = new Set<(account: string, inFlight: number) => void>();
  const onPlaces = (account: string, inFlight: number) => {
    for (const listener of placesListeners) listener(account, inFlight);
  };
  const deliveryListeners = new Set<() => void>();
  const onDelivery = () => {
    for (const listener of deliveryListeners) listener();
  };
  const writes = createWrites({
    connections,
    rows,
    node,
    onPlaces,
    onDelivery,
    // Acceptances and moves together leave a fifth of the connections for reads.
    concurrency: Math.max(1, Math.min(MOST_BATCHES, Math.floor(options.poolSize * 0.4))),
  });
  const parts: PostgresParts = { connections, rows, node };
  const limitParts = {
    ...parts,
    onPlaces,
    ...(options.limitsClock === undefined ? {} : { clock: options.limitsClock }),
  };

  return {
    ...postgresTasks(parts, writes),
    ...postgresOwnership(parts),
    ...postgresMedia(parts),
    ...postgresKeys(parts),
    ...postgresProjects(parts),
    ...postgresLimits(limitParts),
    ...postgresEstimates(connections),
    ...postgresEvents(parts),
    ...postgresWebhooks(parts, onDelivery),
    ...postgresRetention(parts),
    ...postgresQuotas(parts),
    onDelivery(listener) {
      deliveryListeners.add(listener);
      return () => deliveryListeners.delete(listener);
    },
    sharedLimits: {
      ...postgresSharedLimits(limitParts),
      onPlaces(listener) {
        placesListeners.add(listener);
        return () => placesListeners.delete(listener);
      },
    },
    async secret(name, make) {
      // If several nodes start at once, one of them writes. The second statement sees which value was stored.
      await run(SQL.putSecret, [name, make()]);
      const [row] = await read<{ value: string }>(SQL.secret, [name]);
      return row?.value ?? '';
    },
    // Other nodes send messages when keys change (`cluster/messages.ts`), so there is nothing to poll.
    onExternalChange: () => () => undefined,
    unreadable: () => rows.unreadable,
    check,
    async close() {
      await writes.close();
      await connections.close();
    },
  };
}
