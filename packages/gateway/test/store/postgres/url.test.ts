import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { Client } from 'pg';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import {
  checkDatabaseUrl,
  connectionTo,
  parseDatabaseUrl,
  whereabouts,
} from '../../../src/store/postgres/url.ts';
import { tempFolder } from '../../support/tempFolder.ts';

afterEach(() => vi.unstubAllEnvs());

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
    // Not percent-encoded, and meant all the same.
    ['postgresql://u:p@ss#word@h/d', { host: 'h', user: 'u', password: 'p@ss#word', database: 'd' }],
    ['postgresql://[::1]:5433/d', { host: '::1', port: 5433, database: 'd' }],
    [
      'postgresql://h/d?user=u&password=p&port=1&dbname=e',
      { host: 'h', user: 'u', password: 'p', port: 1, database: 'e' },
    ],
    ['host=h port=1 user=u dbname=d', { host: 'h', port: 1, user: 'u', database: 'd' }],
    [
      `host = '/my sockets' password='it\\'s' dbname=d`,
      { host: '/my sockets', password: "it's", database: 'd' },
    ],
  ])('%s is read as libpq does', (url, parts) => {
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

  it('carries the parameters of libpq on to the driver', () => {
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
    ['postgres://a:1,b:2/d', /several hosts.*primary/],
    ['postgres://h/d?sslmode=on', /sslmode.*verify-full/],
    ['postgres://h/d?sslmode=verify-ca', /sslrootcert/],
    ['postgres://h/d?target_session_attrs=standby', /primary/],
    ['service=mine', /pg_service/],
  ])('%s is refused in words', (url, words) => {
    expect(() => parseDatabaseUrl(url)).toThrow(words);
  });

  it('is told without its password', () => {
    expect(whereabouts('postgres://u:hush@h:1/d')).toBe('d at h:1');
    expect(whereabouts('host=h password=hush user=u')).toBe('u at h');
  });
});

describe("libpq's words about TLS", () => {
  const tls = (query: string) => connectionTo(`postgres://h/d?${query}`).ssl;

  it.each(['sslmode=disable', 'sslmode=allow', 'sslmode=prefer'])('%s mean none', (query) => {
    expect(tls(query)).toBe(false);
  });

  it('mean what they mean there: to encrypt, to check who signed, to check whose it is', async () => {
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
  });

  it('name a file that cannot be read', () => {
    expect(() => tls('sslmode=verify-full&sslrootcert=/nowhere/root.crt')).toThrow(
      /\/nowhere\/root\.crt.*sslrootcert.*ENOENT/,
    );
  });
});

describe('the files of certificates that an address names, checked before anything is opened', () => {
  const check = (query: string) => () => checkDatabaseUrl(`postgres://h/d?${query}`);

  it('may be none, the system’s, or a certificate', async () => {
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
    '%s is refused where it is no such file, or missing',
    async (name) => {
      const file = join(await tempFolder(), 'file');
      await writeFile(file, 'no certificate');
      expect(check(`sslmode=verify-full&${name}=${encodeURIComponent(file)}`)).toThrow(/not in PEM format/);
      expect(check(`sslmode=verify-full&${name}=/nowhere/file`)).toThrow(/\/nowhere\/file.*ENOENT/);
    },
  );
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
  });
});
