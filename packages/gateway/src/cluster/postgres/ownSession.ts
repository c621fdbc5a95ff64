import { Client } from 'pg';
import { connectionTo } from '../../store/postgres/url.ts';
import { OnetakeError } from '../../tasks/errors.ts';

/** Timeout of the second client, which checks whether the session is shared. Milliseconds. */
const PROBE_MS = 2000;
/** How long the second client keeps its session busy, in seconds. A pooler cannot give a busy session to another client. */
const BUSY_SECONDS = 0.3;

/**
 * Throws if a pooler gives the client's session to other clients between its statements: the lock would go to the next client, and no
 * messages would arrive.
 */
export async function assertOwnSession(client: Client, url: string): Promise<void> {
  const pid = await backendOf(client);
  // A pooler invents the process id that it sends when a client connects. Without a pooler it is the real one.
  if (pid === greetedPid(client)) return;
  // Some poolers and proxies keep a session for one client, which is all that is needed. Others give our session to a second client
  // that runs a statement, or move us to another session meanwhile.
  const other = new Client({
    ...connectionTo(url),
    connectionTimeoutMillis: PROBE_MS,
    query_timeout: PROBE_MS,
  });
  other.on('error', () => undefined);
  try {
    await other.connect();
    const [theirs, ours] = await Promise.all([
      // That there is no session for a second client says nothing about ours.
      backendOf(other, BUSY_SECONDS).catch(() => undefined),
      backendOf(client),
    ]);
    if (theirs === pid || ours !== pid) throw sharedSession();
  } finally {
    await other.end().catch(() => undefined);
  }
}

/** The error for a session that other clients use, too. */
export const sharedSession = (): OnetakeError =>
  new OnetakeError(
    'session_shared',
    503,
    'The database URL leads through a pooler in transaction mode, which cannot keep a session for one node; ' +
      'set ONETAKE_DATABASE_SESSION_URL to a URL that leads to PostgreSQL itself.',
  );

async function backendOf(client: Client, busySeconds = 0): Promise<number> {
  const { rows } = await client.query<{ pid: number }>(
    'select pg_backend_pid() as pid from pg_sleep($1::float8)',
    [busySeconds],
  );
  return rows[0]?.pid ?? 0;
}

const greetedPid = (client: Client): number | undefined =>
  'processID' in client && typeof client.processID === 'number' ? client.processID : undefined;
