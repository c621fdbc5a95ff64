import { rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { Client } from 'pg';
import { afterEach, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import {
  checkDatabaseUrl,
  connectionTo,
  parseDatabaseUrl,
  whereabouts,
} from '../../../src/store/postgres/url.ts';
import { tempFolder } from '../../support/tempFolder.ts';

afterEach(() => vi.unstubAllEnvs());

const thrownBy = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

describe('the address of a database', () => {
  it.each([
    ['postgres://u:p@h:6000/d', { host: 'h', port: 6000, user: 'u', password: 'p', database: 'd' }],
    ['postgresql://h', { host: 'h' }],
    ['postgresql://', {}],
    ['postgresql:///d', { database: 'd' }],
    ['postgresql://u@/d', { user: 'u', database: 'd' }],
    ['postgresql:///d?host=/var/run/postgresql', { host: '/var/run/postgresql', database: 'd' }],
    ['postgresql://%2Fvar%2Frun%2Fpostgresql/d', { host: '/var/run/postgresql', database: 'd' }],
    ['postgresql://u:p%40s%2Fs%3A%23@h/d', { host: 'h', user: 'u', password: 'p@s/s:#', database: 'd' }],
    // Not percent-encoded, but accepted.
    ['postgresql://u:p@ss#word@h/d', { host: 'h', user: 'u', password: 'p@ss#word', database: 'd' }],
    ['postgresql://[::1]:5433/d', { host: '::1', port: 5433, database: 'd' }],
    [
      'postgresql://h/d?user=u&password=p&port=1&dbname=e',
      { host: 'h', user: 'u', password: 'p', port: 1, database: 'e' },
    ],
    ['postgres://u%40v:a:b@h/d%2Fe', { host: 'h', user: 'u@v', password: 'a:b', database: 'd/e' }],
    ['postgres://u:@h:/d', { host: 'h', user: 'u', database: 'd' }],
    ['postgres://:p@h:65535', { host: 'h', port: 65_535, password: 'p' }],
    ['postgres://[::1]/d', { host: '::1', database: 'd' }],
    ['postgres://[]/d', { database: 'd' }],
    // Parameters take precedence.
    [
      'postgres://a:b@c:1/d?host=h&port=22&user=u&password=p&dbname=e',
      { host: 'h', port: 22, user: 'u', password: 'p', database: 'e' },
    ],
    ['postgres://h/d?&hostaddr=10.0.0.1&', { host: '10.0.0.1', database: 'd' }],
    ['host=h hostaddr=10.0.0.1', { host: 'h' }],
    ['host=h password=', { host: 'h' }],
    ['host=h port=1 user=u dbname=d', { host: 'h', port: 1, user: 'u', database: 'd' }],
    [String.raw`  host='' password = a\ b  dbname='a \\b' `, { password: 'a b', database: String.raw`a \b` }],
    [
      `host = '/my sockets' password='it\\'s' dbname=d`,
      { host: '/my sockets', password: "it's", database: 'd' },
    ],
  ])('%s is read as libpq reads it', (url, parts) => {
    const { parameters, ...read } = parseDatabaseUrl(url);
    expect(parameters).toEqual({});
    expect(read).toEqual({
      host: undefined,
      port: undefined,
      user: undefined,
      password: undefined,
      database: undefined,
      ...parts,
    });
  });

  it('determines all settings of the driver, except the application name and a missing host', () => {
    vi.stubEnv('PGUSER', 'me');
    vi.stubEnv('PGHOST', undefined);
    expect(connectionTo('postgres://h')).toEqual({ host: 'h', user: 'me' });
    const all =
      'postgres://u:p@h:1/d?options=-c%20a%3Db&application_name=a&connect_timeout=3&channel_binding=require&sslnegotiation=direct';
    expect(connectionTo(all)).toEqual({
      host: 'h',
      port: 1,
      user: 'u',
      password: 'p',
      database: 'd',
      options: '-c a=b',
      application_name: 'a',
      connectionTimeoutMillis: 3000,
      enableChannelBinding: true,
      ssl: {},
      sslnegotiation: 'direct',
    });
    const none =
      'postgres://h?connect_timeout=0&channel_binding=prefer&sslnegotiation=postgres&options=-c%20a=b';
    expect(connectionTo(none)).toEqual({ host: 'h', user: 'me', options: '-c a=b' });
    vi.stubEnv('PGUSER', undefined);
    expect(connectionTo('postgres://h').user).toBe(userInfo().username);
  });

  it('may accept any server, or require the primary', () => {
    for (const target of ['any', 'read-write', 'primary'])
      expect(parseDatabaseUrl(`postgres://h?target_session_attrs=${target}`).host).toBe('h');
  });

  it('is named in the error if it cannot be read', () => {
    const error = thrownBy(() => connectionTo('postgres://h:x/d'));
    expect(error).toMatchObject({
      code: 'database_url',
      status: 503,
      message: expect.stringMatching(/^ONETAKE_DATABASE_URL has a port/),
    });
  });

  it('passes the parameters of libpq to the driver', () => {
    const url =
      'postgres://h/d?application_name=a&options=-c%20search_path%3Dx&connect_timeout=3&target_session_attrs=read-write&channel_binding=require';
    expect(connectionTo(url)).toMatchObject({
      application_name: 'a',
      options: '-c search_path=x',
      connectionTimeoutMillis: 3000,
      enableChannelBinding: true,
    });
  });

  it.each([
    ['mysql://h/d', /URL such as postgres:/],
    ['not an address', /URL such as postgres:/],
    ['postgres://u:a/b@h/d', /port that is not a number|%2F/],
    ['postgres://u:100%@h/d', /%25/],
    ['postgres://h:x/d', /port/],
    ['postgres://h:65536/d', /port above 65535/],
    ['postgres://h:0/d', /port 0; leave it out/],
    ['host=h port=0', /port 0; leave it out/],
    ['postgres://h:1x/d', /port that is not a number/],
    ['postgres://a:b:1/d', /port that is not a number/],
    ['postgres://[::1]x/d', /port that is not a number/],
    ['postgres://h/d?port=1x', /port that is not a number/],
    ['host=h port=x1', /port that is not a number/],
    ['host=h and more', /URL such as postgres:/],
    [`host='h'x`, /URL such as postgres:/],
    [`dbname='d`, /URL such as postgres:/],
    ['mysql://u@postgres://h/d', /URL such as postgres:/],
    ['postgres://a,b/d', /several hosts.*primary/],
    ['postgres://h/d?host=a,b', /several hosts.*primary/],
    ['postgres://a:1,b:2/d', /several hosts.*primary/],
    ['postgres://h/d?sslmode=on', /sslmode.*verify-full/],
    ['postgres://h/d?sslmode=verify-ca', /sslrootcert/],
    ['postgres://h/d?target_session_attrs=standby', /primary/],
    ['service=mine', /pg_service/],
  ])('%s is refused with a clear message', (url, words) => {
    expect(() => parseDatabaseUrl(url)).toThrow(words);
  });

  it('is shown without its password', () => {
    expect(whereabouts('postgres://u:hush@h:1/d')).toBe('d at h:1');
    expect(whereabouts('host=h password=hush user=u')).toBe('u at h');
    expect(whereabouts('postgres:///d')).toBe('d at this machine');
    expect(whereabouts('postgres://h')).toBe('of the default name at h');
  });
});

describe('the sslmode of libpq', () => {
  const tls = (query: string) => connectionTo(`postgres://h/d?${query}`).ssl;

  it.each(['sslmode=disable', 'sslmode=allow', 'sslmode=prefer'])('%s means no TLS', (query) => {
    expect(tls(query)).toBe(false);
  });

  it('has the meaning of libpq: encrypt, check the issuer, check the host', async () => {
    const file = join(await tempFolder(), 'root.crt');
    await writeFile(file, 'the certificate');
    const rootcert = `sslrootcert=${encodeURIComponent(file)}`;
    const ca = 'the certificate';
    const checkServerIdentity = expect.any(Function);
    expect(tls('')).toBeUndefined();
    expect(tls('sslmode=require')).toEqual({ rejectUnauthorized: false });
    expect(tls('sslmode=no-verify')).toEqual({ rejectUnauthorized: false });
    expect(tls(`sslmode=require&${rootcert}`)).toEqual({ ca, checkServerIdentity });
    expect(tls(`sslmode=verify-ca&${rootcert}`)).toEqual({ ca, checkServerIdentity });
    expect(tls(`sslmode=verify-full&${rootcert}`)).toEqual({ ca });
    expect(tls('sslmode=verify-full')).toEqual({});
    expect(tls('sslmode=verify-full&sslrootcert=system')).toEqual({});
    expect(tls('sslmode=require&sslrootcert=system')).toEqual({});
    expect(tls('sslnegotiation=direct')).toEqual({});
    expect(tls(`sslmode=no-verify&${rootcert}`)).toEqual({ ca, rejectUnauthorized: false });
  });

  it('can name a client certificate and its key', async () => {
    const dir = await tempFolder();
    const [cert, key] = [join(dir, 'own.crt'), join(dir, 'own.key')];
    await writeFile(cert, 'the certificate – mine');
    await writeFile(key, 'the key');
    const query = `sslmode=verify-full&sslcert=${encodeURIComponent(cert)}&sslkey=${encodeURIComponent(key)}`;
    expect(tls(query)).toEqual({ cert: 'the certificate – mine', key: 'the key' });
    expect(() => tls('sslmode=require&sslcert=/nowhere/a')).toThrow(/\/nowhere\/a as sslcert/);
    expect(() => tls('sslmode=require&sslkey=/nowhere/a')).toThrow(/\/nowhere\/a as sslkey/);
  });

  it('names a file that cannot be read', () => {
    expect(() => tls('sslmode=verify-full&sslrootcert=/nowhere/root.crt')).toThrow(
      /\/nowhere\/root\.crt.*sslrootcert.*ENOENT/,
    );
  });
});

describe('the certificate files of an address, checked before anything is opened,', () => {
  const check = (query: string) => () => checkDatabaseUrl(`postgres://h/d?${query}`);

  it('may be missing, the system’s, or a certificate', async () => {
    const [certificate = ''] = rootCertificates;
    const file = join(await tempFolder(), 'root.crt');
    await writeFile(file, certificate);
    for (const query of [
      '',
      'sslmode=require',
      'sslmode=verify-full',
      'sslmode=verify-full&sslrootcert=system',
    ])
      expect(check(query), query).not.toThrow();
    expect(check(`sslmode=verify-ca&sslrootcert=${encodeURIComponent(file)}`)).not.toThrow();
  });

  it.each(['sslrootcert', 'sslcert', 'sslkey'])(
    '%s is refused if it is missing or no such file',
    async (name) => {
      const file = join(await tempFolder(), 'file');
      await writeFile(file, 'no certificate');
      expect(check(`sslmode=verify-full&${name}=${encodeURIComponent(file)}`)).toThrow(/not in PEM format/);
      expect(check(`sslmode=verify-full&${name}=/nowhere/file`)).toThrow(/\/nowhere\/file.*ENOENT/);
      // Without encryption no certificate is checked.
      expect(check(`sslmode=disable&${name}=${encodeURIComponent(file)}`)).not.toThrow();
    },
  );

  it('are refused with the error of reading them', async () => {
    const file = join(await tempFolder(), 'file');
    await writeFile(file, 'no certificate');
    const error = thrownBy(check(`sslmode=verify-full&sslrootcert=${encodeURIComponent(file)}`));
    expect(error).toMatchObject({ name: 'TypeError', cause: expect.any(Error) });
  });
});

describe('a connection', () => {
  it.each(['as a URL', 'as words'])('is made from an address given %s', async (how) => {
    const { hostname, port } = new URL(inject('postgres'));
    const address =
      how === 'as a URL'
        ? `postgresql://postgres@/postgres?host=${hostname}&port=${port}&application_name=mine`
        : `host=${hostname} port=${port} user=postgres dbname=postgres application_name=mine`;
    const client = new Client(connectionTo(address));
    await client.connect();
    const { rows } = await client.query(`select current_setting('application_name') as name`);
    await client.end();
    expect(rows).toEqual([{ name: 'mine' }]);
  });

  it('without a host goes where the environment says', () => {
    vi.stubEnv('PGHOST', '/sockets');
    expect(connectionTo('postgres:///d').host).toBe('/sockets');
    expect(connectionTo('postgres://h/d').host).toBe('h');
  });

  it('without a host, also in the environment, uses the socket of this machine, or its address', async () => {
    vi.stubEnv('PGHOST', undefined);
    // An unused port: with at most five digits, and a number of this process's own.
    const port = 70_000 + (process.pid % 20_000);
    const socket = `/tmp/.s.PGSQL.${port}`;
    await writeFile(socket, '');
    onTestFinished(() => rm(socket, { force: true }));
    vi.stubEnv('PGPORT', String(port));
    expect(connectionTo('postgres:///d').host).toBe('/tmp');
    await rm(socket);
    expect(connectionTo('postgres:///d').host).toBe('localhost');
  });
});
