import { setImmediate as turn } from 'node:timers/promises';
import { type CustomTypesConfig, Pool, type PoolClient, types } from 'pg';
import type { Log } from '../../observability/log.ts';
import type { RowReader } from '../readRows.ts';
import { asStoreError, isAnswer, isConflict, isStalePlan, wasCut } from './errors.ts';
import { connectionTo } from './url.ts';

/** A statement. The server keeps its plan if it has a name. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
}

/** Runs a statement on any connection. Resolves with its rows as objects; throws the errors that callers of a store see. */
export type Run = <Row extends object>(statement: Statement, values?: readonly unknown[]) => Promise<Row[]>;

export interface Connections {
  readonly run: Run;
  /** As `run`, for a statement that only reads: it is repeated once on another connection if the first was lost. */
  readonly read: Run;
  /** Statements on one connection, in one transaction. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** What the parts of the store share. */
export interface PostgresParts {
  readonly connections: Connections;
  readonly rows: RowReader;
  /** The current name of this node. */
  readonly node: () => string;
}

export interface ConnectionOptions {
  readonly url: string;
  /** Most connections at a time. */
  readonly size: number;
  /** False if each statement may run in another server session, as behind a pooler in transaction mode. */
  readonly namedStatements: boolean;
  /** Uses after which a connection is closed; unlimited by default. */
  readonly usesPerConnection?: number;
  /** Longest wait for a response, in milliseconds. */
  readonly answerTimeoutMs?: number;
  readonly log?: Pick<Log, 'warn'>;
  /** Called with the error of a failed statement, as the driver threw it. */
  readonly onError?: (error: unknown) => void;
}

/** Longest wait for a connection. Afterwards the caller is asked to try again. Milliseconds. */
const CONNECT_TIMEOUT_MS = 5000;
/** Longest wait for a response: a connection whose other end is gone must not block a node for ever. Milliseconds. */
const ANSWER_TIMEOUT_MS = 15_000;
const IDLE_TIMEOUT_MS = 30_000;
/** The server ends a transaction of a frozen process or a vanished host, so that its locks are released. */
const BEGIN = `begin; set local idle_in_transaction_session_timeout = '5s'`;
/** PostgreSQL's `bigint`: https://www.postgresql.org/docs/current/catalog-pg-type.html. */
const INT8 = 20;

/** Returns `bigint` as a number: times, money and versions fit, and `pg` returns text by default. Only for our own connections. */
const NUMBERS: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : types.getTypeParser(oid, format),
};

/** Opens connections to PostgreSQL. They have no session state, so that they also work through a pooler in transaction mode. */
export function openConnections(options: ConnectionOptions): Connections {
  const { log } = options;
  const pool = openPool(options);

  const queryOf = ({ name, text }: Statement, values: readonly unknown[]) => ({
    ...(name !== undefined && options.namedStatements ? { name } : {}),
    text,
    values: [...values],
  });

  // Increases when plans became stale: connections of an earlier generation have stale plans, too.
  let generation = 0;
  const generations = new WeakMap<PoolClient, number>();
  pool.on('connect', (client) => generations.set(client, generation));

  async function checkOut(): Promise<PoolClient> {
    for (;;) {
      const client = await pool.connect();
      if (generations.get(client) === generation) return client;
      client.release(true);
    }
  }

  /** Runs `work` on a connection and releases it. A connection that did not answer may still be busy, or dead, and is closed. */
  async function attempt<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await checkOut();
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      if (isStalePlan(error) && generations.get(client) === generation) generation += 1;
      options.onError?.(error);
      client.release(!isAnswer(error));
      throw error;
    }
  }

  async function withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    try {
      return await attempt(work).catch((error: unknown) => {
        // Nothing was done, or the server has rolled it back.
        if (isConflict(error)) return attempt(work);
        if (!isStalePlan(error)) throw error;
        // Try again on a connection that makes new plans.
        log?.warn(
          { event: 'store.schema_changed', err: error },
          'the database schema was altered; reconnecting',
        );
        return attempt(work);
      });
    } catch (error) {
      throw asStoreError(error);
    }
  }

  const run: Run = (statement, values = []) =>
    withClient(async (client) => (await client.query(queryOf(statement, values))).rows);

  return {
    run,
    async read(statement, values) {
      try {
        return await run(statement, values);
      } catch (error) {
        if (!wasCut(error)) throw error;
        // Other connections may be lost for the same reason. Wait for a turn of the event loop, so that the pool notices it.
        await turn();
        return run(statement, values);
      }
    },
    transaction: (work) =>
      withClient(async (client) => {
        await client.query(BEGIN);
        try {
          const result = await work(
            async (statement, values = []) => (await client.query(queryOf(statement, values))).rows,
          );
          await client.query('commit');
          return result;
        } catch (error) {
          // The first error is the one to report. A connection that cannot roll back is closed, which rolls back as well.
          if (isAnswer(error)) await client.query('rollback').catch(() => generations.delete(client));
          throw error;
        }
      }),
    close: () => pool.end(),
  };
}

function openPool({ url, size, usesPerConnection, answerTimeoutMs, log }: ConnectionOptions): Pool {
  const pool = new Pool({
    ...connectionTo(url),
    max: size,
    ...(usesPerConnection === undefined ? {} : { maxUses: usesPerConnection }),
    application_name: 'onetake',
    types: NUMBERS,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: answerTimeoutMs ?? ANSWER_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
  });
  // An idle connection that is lost emits an error, after the pool has dropped it. Without a listener the process would end.
  // Only the message is logged: the error object includes the client and its connection settings.
  pool.on('error', ({ message }) =>
    log?.warn({ event: 'store.connection_lost', reason: message }, 'a database connection was lost'),
  );
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
