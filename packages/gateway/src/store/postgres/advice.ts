/** The parts of a driver's error that tell its cause. */
export interface Refusal {
  /** SQLSTATE, or Node's code. */
  readonly code?: string | undefined;
  readonly message: string;
}

type Advice = readonly [is: RegExp, advice: string];

/** By message, for codes that have several causes. The first match counts. */
const BY_MESSAGE: readonly Advice[] = [
  [
    /server does not support SSL/i,
    'the server does not support TLS: set sslmode=disable in the URL, or turn ssl on at the server',
  ],
  [
    /no encryption|SSL off|requires? (?:an? )?(?:SSL|TLS|secure|encrypted)|(?:SSL|TLS) (?:connection )?(?:is )?required/i,
    'the server requires TLS: add sslmode=require to the URL, or sslmode=verify-full to check its certificate too',
  ],
  [
    /unsupported startup parameter/i,
    'a pooler (PgBouncer) does not pass on what the URL asks for: remove options=… from it, or list it in ignore_startup_parameters',
  ],
  [
    /client password must be a string|no password supplied/i,
    'the server requires a password, and the URL has none: postgres://user:password@host/onetake',
  ],
  [
    /query_wait_timeout|max_client_conn|MaxClientsInSessionMode|no more connections allowed/i,
    'the pooler has no connection free: lower ONETAKE_DATABASE_POOL, or raise the size of its pool',
  ],
  [
    /no such database|no such user|Tenant or user not found/i,
    'the pooler knows no such database or user: check its configuration',
  ],
  [
    /LISTEN|advisory/i,
    'the address leads through a pooler, or to a database that is not PostgreSQL: set ONETAKE_DATABASE_SESSION_URL to an address of PostgreSQL itself',
  ],
];

const UNKNOWN_CERTIFICATE =
  "the server's certificate is not signed by anyone this machine trusts: add sslmode=verify-full&sslrootcert=FILE to the URL, with the " +
  'certificate of its authority in FILE, or sslmode=require to encrypt without checking whose server it is';
const POOLER =
  'a pooler in transaction mode hands statements to sessions that do not know them: set ONETAKE_DATABASE_SESSION_URL to an address of PostgreSQL itself';

const BY_CODE: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_CERTIFICATE,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_CERTIFICATE,
  CERT_HAS_EXPIRED: "the server's certificate has expired, or this machine's clock is wrong: renew it",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: set this machine's clock",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the server's certificate is for another host name: write that name in the URL, or use sslmode=verify-ca&sslrootcert=FILE to check only who signed it",
  ENOTFOUND: 'there is no such host: check its name in ONETAKE_DATABASE_URL',
  EAI_AGAIN: 'the name of the host cannot be looked up at the moment: check DNS',
  ECONNREFUSED:
    'nothing listens there: check host and port in ONETAKE_DATABASE_URL, and that PostgreSQL runs there',
  ENOENT:
    'there is no socket of a server there: check host and port in ONETAKE_DATABASE_URL, and that PostgreSQL runs',
  EACCES: 'this user may not open the socket of the server',
  '28P01':
    'the password is wrong for this user: check ONETAKE_DATABASE_URL, where special characters are written as %XX',
  '28000':
    "the server does not let this user in from here: check its pg_hba.conf, and the user's right to log in",
  '3D000': `there is no such database: CREATE DATABASE onetake ENCODING 'UTF8' TEMPLATE template0;`,
  '42501':
    'the user lacks rights: make it the owner of the database (ALTER DATABASE … OWNER TO …), or GRANT CREATE, USAGE ON SCHEMA public to it',
  '3F000': 'there is no schema to create tables in: check the search_path of the user',
  '25006': 'the server is a standby or read-only: point ONETAKE_DATABASE_URL at the primary',
  '26000': POOLER,
  '42P05': POOLER,
  '42P01': 'it lacks the tables of this version: run `onetake migrate`',
  '53100': 'the server has no space left on its disk',
  '53300':
    'the server has no connection free: lower ONETAKE_DATABASE_POOL on each node, or raise max_connections',
  '53400': 'the server has no connection free for this user: raise its CONNECTION LIMIT',
  '57P03': 'the server is starting up or shutting down: try again in a moment',
  '55P03': 'another session holds a lock: see pg_stat_activity for one that is idle in transaction',
  '0A000':
    'the server does not support what the gateway needs: it is not a PostgreSQL 14 or newer, or leads through a pooler',
};

const OTHERWISE = 'check ONETAKE_DATABASE_URL, and that PostgreSQL runs there';

/** The cause of an error and what to do about it, as the end of a sentence. */
export function adviceOn({ code = '', message }: Refusal): string {
  const [, byMessage] = BY_MESSAGE.find(([is]) => is.test(message)) ?? [];
  return byMessage ?? BY_CODE[code] ?? OTHERWISE;
}
