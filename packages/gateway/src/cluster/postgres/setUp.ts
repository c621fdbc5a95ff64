import type { Client } from 'pg';
import { CHANNEL, COUNTING_LOCK_CLASS, LOCK_CLASS, nodeName } from '../../store/postgres/nodes.ts';
import { assertUsable } from '../../store/postgres/server.ts';
import { parseDatabaseUrl } from '../../store/postgres/url.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import { assertOwnSession, sharedSession } from './ownSession.ts';
import { type LeaseTimings, sessionSettings } from './timings.ts';

/** The number of the node, and the process id of its session on the server. */
interface SetUp {
  readonly number: number;
  readonly pid: number;
}

/** Takes a number and its lock on a new connection, and listens to messages. Throws if the session is not reliable. */
export async function setUpSession(client: Client, url: string, timings: LeaseTimings): Promise<SetUp> {
  await assertUsable(client, { host: parseDatabaseUrl(url).host, writes: true });
  await assertOwnSession(client, url);
  const number = await takeNumber(client, timings);
  return { number, pid: await assertHolds(client, number) };
}

/** Makes the session end if its node dies. Then takes the lock that shows other nodes that this one is alive. */
async function takeNumber(client: Client, timings: LeaseTimings): Promise<number> {
  // On, so that the sequence does not go back after a crash: two leases must never have the same name.
  const settings = { synchronous_commit: 'on', ...sessionSettings(timings) };
  await client.query(
    'select set_config(name, value, false) from unnest($1::text[], $2::text[]) as s(name, value)',
    [Object.keys(settings), Object.values(settings)],
  );
  const { rows: taken } = await client.query<{ number: number }>(
    `select nextval('node_numbers')::int as number`,
  );
  const number = taken[0]?.number ?? 0;
  // The lock that shows the version comes first, so that no living node ever seems to be of an earlier version.
  const { rows } = await client.query<{ granted: boolean }>(
    `select pg_try_advisory_lock(${COUNTING_LOCK_CLASS}, $1), pg_try_advisory_lock(${LOCK_CLASS}, $1) as granted,
       set_config('application_name', $2, false)`,
    [number, `onetake ${nodeName(number)}`],
  );
  if (!rows[0]?.granted) {
    throw new OnetakeError(
      'node_number_taken',
      503,
      `The number ${number} of this node is already in use, so the sequence node_numbers must have gone back; ` +
        'start the gateway again to take the next number.',
    );
  }
  await client.query(`listen ${CHANNEL}`);
  return number;
}

/** Checks that the session holds the lock and listens to messages. Resolves with its process id. */
async function assertHolds(client: Client, number: number): Promise<number> {
  const { rows } = await client.query<{ pid: number; holds: boolean }>(
    `select pg_backend_pid() as pid, exists (
       select from pg_locks where locktype = 'advisory' and classid = ${LOCK_CLASS} and objid = $1::int8::oid and objsubid = 2
         and granted and pid = pg_backend_pid()
     ) and exists (select from pg_listening_channels() as channel where channel = '${CHANNEL}') as holds`,
    [number],
  );
  const [row] = rows;
  if (!row?.holds) throw sharedSession();
  return row.pid;
}
