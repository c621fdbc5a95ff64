import { OnetakeError } from '../../tasks/errors.ts';

/** PostgreSQL 14 introduced `idle_session_timeout`. */
const OLDEST_SERVER = 140_000;

/** What a server reports about itself. */
export interface ServerFacts {
  readonly version: string;
  readonly versionNumber: number;
  readonly encoding: string;
  readonly inRecovery: boolean;
  readonly readOnly: boolean;
}

/** A connection, or a pool. */
export interface Queryable {
  query(text: string): Promise<{ rows: readonly unknown[] }>;
}

/**
 * Other databases that speak PostgreSQL's protocol, recognized by their `version()`. Nodes detect each other with session-level
 * advisory locks, and send each other messages with LISTEN/NOTIFY. Without both, tasks would be submitted twice.
 */
const LOOK_ALIKES: readonly { readonly name: string; readonly is: RegExp }[] = [
  { name: 'CockroachDB', is: /CockroachDB/i },
  { name: 'YugabyteDB', is: /-YB-|Yugabyte/i },
  { name: 'Amazon Redshift', is: /Redshift/i },
  { name: 'Amazon Aurora DSQL', is: /Aurora DSQL/i },
  { name: 'Materialize', is: /Materialize/i },
  { name: 'RisingWave', is: /RisingWave/i },
  { name: 'CrateDB', is: /CrateDB/i },
  { name: 'Greenplum', is: /Greenplum/i },
  { name: 'openGauss', is: /openGauss|GaussDB/i },
  { name: 'Google Spanner', is: /Spanner/i },
];

/** Host names of services that return the `version()` of the PostgreSQL that they imitate. */
const LOOK_ALIKE_HOSTS: readonly { readonly name: string; readonly is: RegExp }[] = [
  { name: 'Amazon Aurora DSQL', is: /\.dsql(?:-[a-z]+)?\.[a-z0-9-]+\.on\.aws$/i },
  { name: 'CockroachDB', is: /\.cockroachlabs\.cloud$/i },
  { name: 'YugabyteDB', is: /\.ybdb\.io$/i },
];

/** The name of the database, if it is a known one other than PostgreSQL. */
export const lookAlike = (version: string, host = ''): string | undefined =>
  (LOOK_ALIKES.find(({ is }) => is.test(version)) ?? LOOK_ALIKE_HOSTS.find(({ is }) => is.test(host)))?.name;

/** Why a server cannot be used and what to do about it; undefined if it can be used. */
export function refusalOf(facts: ServerFacts): OnetakeError | undefined {
  const refuse = (code: string, message: string) => new OnetakeError(code, 503, message);
  if (facts.versionNumber < OLDEST_SERVER) {
    return refuse(
      'database_too_old',
      `PostgreSQL 14 or later is needed, and this server is ${facts.version}; upgrade it, or set ONETAKE_DATABASE_URL to another.`,
    );
  }
  if (facts.encoding !== 'UTF8') {
    return refuse(
      'database_not_utf8',
      `The database holds text as ${facts.encoding}, and prompts are in any language. Make another one and point ONETAKE_DATABASE_URL at it: ` +
        `CREATE DATABASE onetake ENCODING 'UTF8' TEMPLATE template0;`,
    );
  }
  return undefined;
}

/** Why a server does not accept writes; undefined if it does. */
export function readOnlyRefusal({
  inRecovery,
  readOnly,
}: Pick<ServerFacts, 'inRecovery' | 'readOnly'>): OnetakeError | undefined {
  const refuse = (message: string) =>
    new OnetakeError('database_read_only', 503, message, { retryAfterSeconds: 5 });
  if (inRecovery)
    return refuse(
      'The database is read-only: it is a standby. Point ONETAKE_DATABASE_URL at the primary, or promote this one (pg_promote()).',
    );
  if (readOnly)
    return refuse(
      'The database is read-only: default_transaction_read_only is on for it, its user or its server. Point ONETAKE_DATABASE_URL ' +
        'at the primary, or turn it off (ALTER DATABASE … RESET default_transaction_read_only).',
    );
  return undefined;
}

/** Throws if the gateway cannot use the server. `writes`: also if the server is read-only. */
export async function assertUsable(
  server: Queryable,
  { host, writes }: { readonly host: string | undefined; readonly writes: boolean },
): Promise<void> {
  // A query of its own: databases that imitate PostgreSQL may not know the settings below.
  const { rows: named } = await server.query('select version() as version');
  const [{ version } = { version: '' }] = named as readonly { version: string }[];
  const other = lookAlike(version, host);
  if (other !== undefined) {
    throw new OnetakeError(
      'database_not_postgres',
      503,
      `This database is ${other}, which speaks PostgreSQL's protocol but lacks what the gateways need of it: advisory locks that last ` +
        'as long as a session, and LISTEN/NOTIFY. Set ONETAKE_DATABASE_URL to a PostgreSQL 14 or newer.',
    );
  }
  const { rows } = await server.query(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as "versionNumber",
       current_setting('server_encoding') as encoding, pg_is_in_recovery() as "inRecovery",
       current_setting('transaction_read_only')::boolean as "readOnly"`,
  );
  const [facts] = rows as readonly ServerFacts[];
  const refusal = facts && (refusalOf(facts) ?? (writes ? readOnlyRefusal(facts) : undefined));
  if (refusal) throw refusal;
}
