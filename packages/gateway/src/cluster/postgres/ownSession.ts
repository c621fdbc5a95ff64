import { Client } from 'pg';
import { connectionTo } from '../../store/postgres/url.ts';
import { OnetakeError } from '../../tasks/errors.ts';

/** How long a second client may take to find out whose session it is given. Milliseconds. */
const PROBE_MS = 2000;
/** How long it keeps that session busy, in seconds: two clients' statements are never in one session at once. */
const BUSY_SECONDS = 0.3;

/**
 * Throws where a pooler hands the client's session to others between its statements: the lock would stay with whoever
 * is given it next, and nothing would be heard on the channel.
 */
export async function assertOwnSession(client: Client, url: string): Promise<void> {
  const pid = await backendOf(client);
  // A pooler makes up the process id in its greeting. Without one in between it is the true one.
  if (pid === greetedPid(client)) return;
  // Some poolers and proxies keep a session for their client alone, which is all that is needed. The others give ours to
  // a second client that has a statement to run, or another one to us meanwhile.
  const other = new Client({
    ...connectionTo(url),
    connectionTimeoutMillis: PROBE_MS,
    query_timeout: PROBE_MS,
  });
  other.on('error', () => undefined);
  try {
    await other.connect();
    const [theirs, ours] = await Promise.all([
      // Nothing free for a second client says nothing about ours.
      backendOf(other, BUSY_SECONDS).catch(() => undefined),
      backendOf(client),
    ]);
    if (theirs === pid || ours !== pid) throw sharedSession();
  } finally {
    await other.end().catch(() => undefined);
  }
}

/** For a session that turned out to be somebody else's too. */
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
