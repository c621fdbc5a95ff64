import { describe, expect, it } from 'vitest';
import { adviceOn } from '../../../src/store/postgres/advice.ts';
import { assertUsable, lookAlike, readOnlyRefusal, refusalOf } from '../../../src/store/postgres/server.ts';

const FACTS = {
  version: '16.4',
  versionNumber: 160_004,
  encoding: 'UTF8',
  inRecovery: false,
  readOnly: false,
};
const VERSION = 'PostgreSQL 16.4 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit';

/** A server with these properties; `asked` counts the queries. */
function aServer(facts: Partial<typeof FACTS> = {}, version: string | undefined = VERSION) {
  let asked = 0;
  return {
    asked: () => asked,
    async query(text: string) {
      asked += 1;
      if (text.includes('version() as version')) return { rows: version === undefined ? [] : [{ version }] };
      return { rows: [{ ...FACTS, ...facts }] };
    },
  };
}
const ANYWHERE = { host: 'db.example.com', writes: true };

describe('a server', () => {
  it('that is PostgreSQL, new enough, UTF-8 and writable, can be used', async () => {
    const server = aServer();
    await expect(assertUsable(server, ANYWHERE)).resolves.toBeUndefined();
    expect(server.asked()).toBe(2);
    await expect(
      assertUsable(aServer({}, undefined), { ...ANYWHERE, host: undefined }),
    ).resolves.toBeUndefined();
    expect(refusalOf(FACTS)).toBeUndefined();
    expect(readOnlyRefusal(FACTS)).toBeUndefined();
  });

  it('that only imitates it is refused before it gets a query that it may not know', async () => {
    const server = aServer({}, 'CockroachDB CCL v23.1.11');
    await expect(assertUsable(server, ANYWHERE)).rejects.toMatchObject({
      code: 'database_not_postgres',
      status: 503,
      message: expect.stringContaining('CockroachDB'),
    });
    expect(server.asked()).toBe(1);
    const elsewhere = { ...ANYWHERE, host: 'x.cockroachlabs.cloud' };
    await expect(assertUsable(aServer(), elsewhere)).rejects.toMatchObject({ code: 'database_not_postgres' });
  });

  it.each([
    [{ versionNumber: 139_999 }, 'database_too_old'],
    [{ encoding: 'LATIN1' }, 'database_not_utf8'],
    [{ inRecovery: true }, 'database_read_only'],
    [{ readOnly: true }, 'database_read_only'],
  ])('with the properties %j is refused', async (facts, code) => {
    await expect(assertUsable(aServer(facts), ANYWHERE)).rejects.toMatchObject({ code, status: 503 });
  });

  it.each([{ inRecovery: true }, { readOnly: true }, { versionNumber: 140_000 }])(
    'with the properties %j can be read from',
    async (facts) => {
      await expect(assertUsable(aServer(facts), { ...ANYWHERE, writes: false })).resolves.toBeUndefined();
    },
  );

  it('that is read-only says whether it is a standby, and when to retry', () => {
    expect(readOnlyRefusal({ inRecovery: true, readOnly: true })).toMatchObject({
      message: expect.stringContaining('standby'),
      details: { retryAfterSeconds: 5 },
    });
    expect(readOnlyRefusal({ inRecovery: false, readOnly: true })).toMatchObject({
      message: expect.stringContaining('default_transaction_read_only'),
      details: { retryAfterSeconds: 5 },
    });
  });
});

describe('an imitation of PostgreSQL', () => {
  it.each([
    ['cockroachdb v1', 'CockroachDB'],
    ['PostgreSQL 11.2-YB-2.20', 'YugabyteDB'],
    ['yugabyte 1', 'YugabyteDB'],
    ['PostgreSQL 8.0.2, redshift 1.0', 'Amazon Redshift'],
    ['aurora dsql', 'Amazon Aurora DSQL'],
    ['materialize v0', 'Materialize'],
    ['risingwave-2', 'RisingWave'],
    ['cratedb 5', 'CrateDB'],
    ['greenplum 7', 'Greenplum'],
    ['opengauss 3', 'openGauss'],
    ['GaussDB 3', 'openGauss'],
    ['spanner 1', 'Google Spanner'],
  ])('is recognised by its version: %s', (version, name) => {
    expect(lookAlike(version)).toBe(name);
  });

  it.each([
    ['abc.dsql.us-east-1.on.aws', 'Amazon Aurora DSQL'],
    ['abc.dsql-fips.us-east-1.on.aws', 'Amazon Aurora DSQL'],
    ['abc.cockroachlabs.cloud', 'CockroachDB'],
    ['abc.ybdb.io', 'YugabyteDB'],
    ['abc.dsql.us-east-1.on.aws.example.com', undefined],
    ['abc.dsql.a.b.on.aws', undefined],
    ['abc.dsql-.us-east-1.on.aws', undefined],
    ['abcdsql.us-east-1.on.aws', undefined],
    ['cockroachlabs.cloud.example.com', undefined],
    ['ybdb.io.example.com', undefined],
    ['aybdb.io', undefined],
    ['acockroachlabs.cloud', undefined],
  ])('is recognised by its address: %s', (host, name) => {
    expect(lookAlike(VERSION, host)).toBe(name);
    expect(lookAlike(VERSION, host.toUpperCase())).toBe(name);
  });
});

describe('advice about a refusal', () => {
  const OTHERWISE = adviceOn({ message: 'nothing that is known' });

  it.each([
    ['The server does not support SSL connections', /sslmode=disable/],
    ['no pg_hba.conf entry for host "h", no encryption', /sslmode=require/],
    ['no pg_hba.conf entry for host "h", SSL off', /sslmode=require/],
    ['server requires SSL', /sslmode=require/],
    ['the server requires a secure connection', /sslmode=require/],
    ['require an encrypted connection', /sslmode=require/],
    ['SSL required', /sslmode=require/],
    ['TLS connection is required', /sslmode=require/],
    ['SSL connection required', /sslmode=require/],
    ['unsupported startup parameter: options', /ignore_startup_parameters/],
    ['SASL: client password must be a string', /the URL has none/],
    ['fe_sendauth: no password supplied', /the URL has none/],
    ['query_wait_timeout', /the pooler has no connection free/],
    ['no more connections allowed (max_client_conn)', /the pooler has no connection free/],
    ['MaxClientsInSessionMode: max clients reached', /the pooler has no connection free/],
    ['no such database: d', /the pooler knows no such database/],
    ['no such user: u', /the pooler knows no such database/],
    ['Tenant or user not found', /the pooler knows no such database/],
    ['LISTEN is not supported', /ONETAKE_DATABASE_SESSION_URL/],
    ['advisory locks are not supported', /ONETAKE_DATABASE_SESSION_URL/],
  ])('depends on its message: %s', (message, advice) => {
    expect(adviceOn({ message })).toMatch(advice);
    expect(adviceOn({ message, code: '28P01' })).toMatch(advice);
  });

  it('depends on its code if its message is unknown, and is otherwise to check the address', () => {
    expect(adviceOn({ code: '28P01', message: 'words' })).toMatch(/password is wrong/);
    expect(adviceOn({ code: 'none', message: 'words' })).toBe(OTHERWISE);
    expect(OTHERWISE).toMatch(/check ONETAKE_DATABASE_URL/);
  });
});
