import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { createSecureContext } from 'node:tls';
import type { ClientConfig } from 'pg';
import { OnetakeError } from '../../tasks/errors.ts';

/** The address of a database, as libpq reads it. */
export interface DatabaseAddress {
  /** Undefined for a socket on this machine. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Undefined for the database with the name of the user. */
  readonly database: string | undefined;
  /** libpq's other parameters, under its names. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** The values of libpq's `sslmode`, and the one that node-postgres adds. */
const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];
/** The values of `target_session_attrs` that suit a gateway, which writes. */
const WRITABLE = ['any', 'read-write', 'primary'];
/** Folders of server sockets: of Debian and most packages, and PostgreSQL's own default. */
const SOCKET_FOLDERS = ['/var/run/postgresql', '/tmp'];
const DEFAULT_PORT = 5432;
const MAX_PORT = 65_535;

const EXAMPLE = 'postgres://user:password@host:5432/onetake';
const FORM = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s;

/**
 * Parses what libpq accepts: a URI, or `key=value` pairs. Throws an error that says what is wrong, to be read after the name of the
 * setting.
 */
export function parseDatabaseUrl(text: string): DatabaseAddress {
  const address = /^postgres(?:ql)?:\/\//.test(text) ? fromUri(text) : fromWords(text);
  const { sslmode, service, target_session_attrs: target } = address.parameters;
  if (service !== undefined)
    throw new TypeError('names a service of pg_service.conf, which is not read here; write its parts out');
  if (sslmode !== undefined && !SSL_MODES.includes(sslmode))
    throw new TypeError(`has an unknown sslmode; it is one of ${SSL_MODES.join(', ')}`);
  if (sslmode === 'verify-ca' && address.parameters.sslrootcert === undefined)
    throw new TypeError(
      'says sslmode=verify-ca without sslrootcert=FILE, the certificate to check against; or say verify-full',
    );
  if (target !== undefined && !WRITABLE.includes(target))
    throw new TypeError(
      `asks for a server by target_session_attrs=${target}; a gateway writes, and needs the primary (read-write)`,
    );
  if (address.host?.includes(','))
    throw new TypeError(
      'names several hosts; give one that always leads to the primary: the cluster address of a hosted database, a DNS name or proxy that follows it',
    );
  return address;
}

function fromUri(text: string): DatabaseAddress {
  const [, userinfo, authority = '', path = '', query = ''] = FORM.exec(text) ?? [];
  if (!FORM.test(text))
    throw new TypeError(`is not a URL such as ${EXAMPLE}; write / as %2F and ? as %3F in a password`);
  const [user, ...secret] = userinfo?.split(':') ?? [];
  const parameters: Record<string, string> = {};
  for (const pair of query.split('&').filter(Boolean)) {
    const [name = '', ...value] = pair.split('=');
    parameters[decoded(name)] = decoded(value.join('='));
  }
  const { host = authority, port } = authority.includes(',') ? { host: authority } : splitHost(authority);
  return withoutBlanks({
    host: decoded(host),
    port,
    user: user && decoded(user),
    password: secret.length > 0 ? decoded(secret.join(':')) : undefined,
    database: decoded(path),
    parameters,
  });
}

function splitHost(authority: string): { host?: string; port?: string } {
  const [, v6, name, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d*))?$/.exec(authority) ?? [];
  if (v6 === undefined && name === undefined)
    throw new TypeError('has a port that is not a number; write : as %3A and @ as %40 in a password');
  return { host: v6 ?? name ?? '', ...(port ? { port } : {}) };
}

/** `host=… dbname=…`. Values with spaces are in single quotes. */
function fromWords(text: string): DatabaseAddress {
  const word = /\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)\s*/gy;
  const parameters: Record<string, string> = {};
  let end = 0;
  for (const match of text.matchAll(word)) {
    const [whole, name = '', quoted, plain] = match;
    parameters[name] = (quoted ?? plain ?? '').replace(/\\(.)/g, '$1');
    end = match.index + whole.length;
  }
  if (end === 0 || end < text.length)
    throw new TypeError(
      `must be a URL such as ${EXAMPLE}, or libpq's key=value pairs, such as "host=… dbname=…"`,
    );
  return withoutBlanks({ parameters });
}

interface Parts {
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly database?: string | undefined;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Empty values count as missing. Parameters take precedence, as with libpq. */
function withoutBlanks({ parameters, ...parts }: Parts): DatabaseAddress {
  const { host, hostaddr, port, user, password, dbname, ...others } = parameters;
  const portText = port || parts.port;
  if (portText && !/^\d+$/.test(portText)) throw new TypeError('has a port that is not a number');
  // node-postgres would use its default port.
  if (portText && Number(portText) === 0) throw new TypeError(`has port 0; leave it out for ${DEFAULT_PORT}`);
  if (Number(portText) > MAX_PORT) throw new TypeError(`has a port above ${MAX_PORT}`);
  return {
    host: host || hostaddr || parts.host || undefined,
    port: portText ? Number(portText) : undefined,
    user: user || parts.user || undefined,
    password: password || parts.password || undefined,
    database: dbname || parts.database || undefined,
    parameters: others,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError('has a % that is not followed by a code; write % as %25 in a password');
  }
}

/** Throws an error that says what is wrong with a URL, or with the certificate files that it names. */
export function checkDatabaseUrl(url: string): void {
  const tls = tlsOf(parseDatabaseUrl(url).parameters);
  if (typeof tls !== 'object') return;
  try {
    const { ca, cert, key } = tls;
    if (typeof ca === 'string') new X509Certificate(ca);
    createSecureContext({ cert, key });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`names a certificate or key that is not in PEM format, or does not fit (${why})`, {
      cause,
    });
  }
}

/** The driver's configuration for a URL. Reads the certificate files that the URL names. */
export function connectionTo(url: string): ClientConfig {
  const { host, port, user, password, database, parameters, ssl } = explained(() => {
    const address = parseDatabaseUrl(url);
    return { ...address, ssl: tlsOf(address.parameters) };
  });
  return {
    host: host ?? process.env.PGHOST ?? socketFolder(port) ?? 'localhost',
    ...(port === undefined ? {} : { port }),
    user: user ?? process.env.PGUSER ?? systemUser(),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(ssl === undefined ? {} : { ssl }),
    ...(parameters.options === undefined ? {} : { options: parameters.options }),
    ...(parameters.application_name === undefined ? {} : { application_name: parameters.application_name }),
    ...(Number(parameters.connect_timeout) > 0
      ? { connectionTimeoutMillis: 1000 * Number(parameters.connect_timeout) }
      : {}),
    ...(parameters.channel_binding === 'require' ? { enableChannelBinding: true } : {}),
    ...(parameters.sslnegotiation === 'direct' ? { sslnegotiation: 'direct' as const } : {}),
  };
}

function explained<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OnetakeError('database_url', 503, `ONETAKE_DATABASE_URL ${why}.`, {}, cause);
  }
}

/**
 * TLS with libpq's meaning of the parameters, from which node-postgres differs: `require` encrypts and checks nothing, unless a root
 * certificate is given. The modes that leave the choice to the server (`allow`, `prefer`) mean no TLS here, as does no `sslmode`.
 */
function tlsOf(parameters: DatabaseAddress['parameters']): ClientConfig['ssl'] {
  const { sslmode, sslrootcert, sslcert, sslkey } = parameters;
  if (sslmode === undefined && parameters.sslnegotiation !== 'direct') return undefined;
  if (sslmode === 'disable' || sslmode === 'allow' || sslmode === 'prefer') return false;
  // Without a `ca`, Node checks against the system's certificates.
  const ca = sslrootcert && sslrootcert !== 'system' ? read('sslrootcert', sslrootcert) : undefined;
  const unchecked = sslmode === 'no-verify' || (sslmode === 'require' && sslrootcert === undefined);
  const chainOnly = sslmode === 'verify-ca' || (sslmode === 'require' && ca !== undefined);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(sslcert ? { cert: read('sslcert', sslcert) } : {}),
    ...(sslkey ? { key: read('sslkey', sslkey) } : {}),
    ...(unchecked ? { rejectUnauthorized: false } : {}),
    ...(chainOnly ? { checkServerIdentity: () => undefined } : {}),
  };
}

function read(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error && 'code' in cause ? cause.code : String(cause);
    throw new TypeError(`names the file ${path} as ${name}, which cannot be read (${why})`, { cause });
  }
}

const socketFolder = (port = Number(process.env.PGPORT) || DEFAULT_PORT): string | undefined =>
  SOCKET_FOLDERS.find((folder) => existsSync(`${folder}/.s.PGSQL.${port}`));

function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a user id that has no name.
    return undefined;
  }
}

/** The database and its address for messages, without the password. */
export function whereabouts(url: string): string {
  const { host, port, user, database } = parseDatabaseUrl(url);
  const place = host === undefined ? 'this machine' : `${host}${port === undefined ? '' : `:${port}`}`;
  return `${database ?? user ?? 'of the default name'} at ${place}`;
}
