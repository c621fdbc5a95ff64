import { Client } from 'pg';
import { inject, onTestFinished } from 'vitest';
import {
  createDatabase,
  type PostgresOptions,
  type PostgresServer,
  startPostgres,
} from '../../../../../scripts/servers/postgres.ts';
import { createTcpSwitch, type TcpSwitch } from '../../../../../scripts/servers/tcpSwitch.ts';

/** A PostgreSQL server of the test's own, which it may stop and start; gone when the test ends. */
export async function ownPostgres(options?: PostgresOptions): Promise<PostgresServer> {
  const server = await startPostgres(options);
  onTestFinished(() => server.close());
  return server;
}

/** A connection of the test's own; closed when the test ends. */
export async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** An empty PostgreSQL database of the test's own, as a URL; `how` is SQL for its creation. */
export const freshDatabase = (how?: string): Promise<string> => createDatabase(inject('postgres'), how);

/** The number of sessions that wait for a lock in a connection's database. `pg_locks` shows those of all databases of the server. */
export async function waitingForLocks(client: Client): Promise<number> {
  const { rowCount } = await client.query(
    `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rowCount ?? 0;
}

/** A copy of a database as it is now, like a physical backup. All its clients are disconnected. */
export async function copyDatabase(of: string): Promise<string> {
  const name = new URL(of).pathname.slice(1);
  const copy = new URL(of);
  copy.pathname = `${name}_copy`;
  const client = new Client({ connectionString: inject('postgres') });
  await client.connect();
  try {
    await client.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '${name}'`,
    );
    await client.query(`create database ${name}_copy template ${name}`);
  } finally {
    await client.end();
  }
  return copy.href;
}

/** A switch in front of a database, and the URL through it; closed when the test ends. */
export async function switchTo(url: string): Promise<TcpSwitch & { readonly url: string }> {
  const through = new URL(url);
  const tcpSwitch = await createTcpSwitch(Number(through.port));
  onTestFinished(() => tcpSwitch.close());
  through.port = String(tcpSwitch.port);
  return { ...tcpSwitch, url: through.href };
}
