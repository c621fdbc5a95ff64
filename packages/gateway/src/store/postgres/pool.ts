import { setImmediate as turn } from 'node:timers/promises';
import { type CustomTypesConfig, Pool, type PoolClient, types } from 'pg';
import type { Log } from '../../observability/log.ts';
import { asStoreError, isAnswer, isStalePlan, wasCut } from './errors.ts';
import { connectionTo } from './url.ts';

/** A statement: its text, and its name where the server is to keep its plan. */
export interface Statement {
  readonly name?: string;
  readonly text: string;
}

/** Runs a statement on some connection. Rows as objects; errors are those that callers of a store see. */
export type Run = <Row extends object>(statement: Statement, values?: readonly unknown[]) => Promise<Row[]>;

export interface Connections {
  readonly run: Run;
  /** As `run`, of a statement that only reads: once more on another connection where the first was lost. */
  readonly read: Run;
  /** Statements on one connection, in one transaction. */
  transaction<T>(work: (run: Run) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  readonly url: string;
  /** Connections at a time. */
  readonly size: number;
  /** False where each statement may meet another server session, as behind a pooler in transaction mode. */
  readonly namedStatements: boolean;
  /** Uses after which a connection is closed; no limit unless told. */
  readonly usesPerConnection?: number;
  /** Longest wait for an answer, milliseconds. */
  readonly answerTimeoutMs?: number;
  readonly log?: Pick<Log, 'warn'>;
  /** Told what a statement failed with, as the driver threw it. */
  readonly onError?: (error: unknown) => void;
}

/** Longest wait for a connection, milliseconds: a caller is told to try again rather than held. */
const CONNECT_TIMEOUT_MS = 5000;
/** A connection that lost its other end must not hang a node for ever. Milliseconds. */
const ANSWER_TIMEOUT_MS = 15_000;
const IDLE_TIMEOUT_MS = 30_000;
/** A process that is frozen, or a host that vanished, inside a transaction must not keep its locks: the server ends it. */
const BEGIN = `begin; set local idle_in_transaction_session_timeout = '5s'`;
/** PostgreSQL's `bigint`: https://www.postgresql.org/docs/current/catalog-pg-type.html. */
const INT8 = 20;

/** Times, money and versions fit into a number; `pg` would hand them out as text. For our own connections alone. */
const NUMBERS: CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : types.getTypeParser(oid, format),
};

/** Connections to PostgreSQL without state of their own: what works here works through a pooler in transaction mode. */
export function openConnections(options: ConnectionOptions): Connections {
  const { log } = options;
  const pool = openPool(options);

  const queryOf = ({ name, text }: Statement, values: readonly unknown[]) => ({
    ...(name !== undefined && options.namedStatements ? { name } : {}),
    text,
    values: [...values],
  });

  // Grows when plans went stale; connections of an earlier generation have such plans too.
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

  /** Hands a connection back; one that did not answer may still be at work, or dead, and is closed. */
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
        // Nothing of the work was done, or the server has rolled it back: once more, where the plans are made anew.
        if (!isStalePlan(error)) throw error;
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
        // Whatever cut this one may have cut others: a turn, for the pool to hear of it.
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
          // What went wrong first is what tells. A connection that cannot roll back is closed, which rolls back as well.
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
