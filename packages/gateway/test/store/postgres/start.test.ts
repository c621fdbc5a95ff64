import { Client } from 'pg';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { adviceOn } from '../../../src/store/postgres/advice.ts';
import { unusableDatabase } from '../../../src/store/postgres/errors.ts';
import { migratePostgres } from '../../../src/store/postgres/migrations.ts';
import { lookAlike, refusalOf } from '../../../src/store/postgres/server.ts';
import { connect, freshDatabase, ownPostgres } from '../../support/servers/database.ts';

describe('a start', () => {
  it('on a database that is not UTF-8 is refused with the statement that creates a UTF-8 one', async () => {
    for (const encoding of ['SQL_ASCII', 'LATIN1']) {
      const url = await freshDatabase(`encoding '${encoding}' template template0`);
      await expect(migratePostgres(url)).rejects.toMatchObject({
        code: 'database_not_utf8',
        message: expect.stringMatching(
          new RegExp(`${encoding}.*CREATE DATABASE onetake ENCODING 'UTF8' TEMPLATE template0`),
        ),
      });
      const client = await connect(url);
      // Before anything was created in it.
      expect((await client.query(`select from pg_tables where schemaname = 'public'`)).rowCount).toBe(0);
    }
  });

  it('on a standby, or a server that was made read-only, is refused with that reason', async () => {
    const server = await ownPostgres();
    const standby = await server.standby();
    onTestFinished(() => standby.close());
    await expect(migratePostgres(standby.url)).rejects.toMatchObject({
      code: 'database_read_only',
      message: expect.stringContaining('standby'),
    });
    const url = await freshDatabase();
    const client = await connect(url);
    await client.query(
      `alter database ${new URL(url).pathname.slice(1)} set default_transaction_read_only = on`,
    );
    await expect(migratePostgres(url)).rejects.toMatchObject({
      code: 'database_read_only',
      message: expect.stringContaining('default_transaction_read_only'),
    });
  });

  it('without the right to create tables names that right, not the consequence', async () => {
    const role = `poor_${process.pid}_${Date.now()}`;
    const admin = await connect(inject('postgres'));
    await admin.query(`create role ${role} login`);
    const url = new URL(await freshDatabase());
    url.username = role;
    const error = await migratePostgres(url.href).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'database_unusable' });
    expect(String(error)).toMatch(
      /GRANT CREATE, USAGE ON SCHEMA public.*permission denied for schema public/,
    );
    expect(String(error)).not.toContain('aborted');
  });

  it('that waits for the migration lock names its holder, and continues when the lock is free', async () => {
    const url = await freshDatabase();
    const holder = new Client({ connectionString: url, application_name: 'forgotten psql' });
    await holder.connect();
    await holder.query('begin');
    await holder.query(`select pg_advisory_xact_lock(${0x0e7a_0001})`);
    const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
    const { promise: told, resolve: say } = Promise.withResolvers<string>();
    const migrating = migratePostgres(url, { say });
    expect(await told).toMatch(
      new RegExp(
        `process ${rows[0]?.pid} \\(forgotten psql at 127.0.0.1.*idle in transaction, since \\d{4}-`,
      ),
    );
    await holder.end();
    expect(await migrating).toContain('0001_initial');
  });

  it('gives up after a while, with a clear message', async () => {
    const url = await freshDatabase();
    const holder = await connect(url);
    await holder.query(`select pg_advisory_lock(${0x0e7a_0001})`);
    await expect(migratePostgres(url, { patienceMs: 0 })).rejects.toMatchObject({
      code: 'migration_locked',
      message: expect.stringMatching(/process \d+ .*pg_terminate_backend/),
    });
  });

  it('says what to type if the server has no TLS, or another user, or another database', async () => {
    const url = new URL(await freshDatabase());
    const told = (change: string) =>
      migratePostgres(
        `${url.origin === 'null' ? `postgres://postgres@${url.host}` : url.origin}${change}`,
      ).catch(String);
    expect(await told(`${url.pathname}?sslmode=require`)).toContain('sslmode=disable');
    expect(await told('/nothing_there')).toContain('CREATE DATABASE');
  });
});

describe('a server that speaks PostgreSQL’s protocol', () => {
  it.each([
    ['CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu, built 2023/09/27)', 'CockroachDB'],
    ['PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64-pc-linux-gnu, compiled by clang', 'YugabyteDB'],
    [
      'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2, Redshift 1.0.54899',
      'Amazon Redshift',
    ],
    ['PostgreSQL 9.5.0 on x86_64 (Materialize v0.82.2)', 'Materialize'],
    ['PostgreSQL 13.14.0-RisingWave-2.0.1', 'RisingWave'],
  ])('%s is recognised by name', (version, name) => {
    expect(lookAlike(version)).toBe(name);
  });

  it('is recognised by its address if its version is that of PostgreSQL', () => {
    const host = 'abc0def1.dsql.us-east-1.on.aws';
    expect(lookAlike('PostgreSQL 16', host)).toBe('Amazon Aurora DSQL');
  });

  it.each([
    'PostgreSQL 17.2 on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14) 12.2.0, 64-bit',
    'PostgreSQL 16.4 (Ubuntu 16.4-1.pgdg22.04+1) on aarch64-unknown-linux-gnu',
    'PostgreSQL 15.4 on aarch64-unknown-linux-gnu, compiled by aarch64-unknown-linux-gnu-gcc (GCC) 9.5.0, 64-bit',
  ])('%s is accepted as PostgreSQL', (version) => {
    expect(lookAlike(version, 'db.abc.eu-west-1.rds.amazonaws.com')).toBeUndefined();
  });

  it('is refused if it is too old', () => {
    const facts = {
      version: '13.9',
      versionNumber: 130_009,
      encoding: 'UTF8',
      inRecovery: false,
      readOnly: false,
    };
    expect(refusalOf(facts)).toMatchObject({ code: 'database_too_old' });
    expect(refusalOf({ ...facts, versionNumber: 140_000 })).toBeUndefined();
  });
});

describe('advice on a refusal', () => {
  it.each([
    ['28P01', 'password authentication failed for user "x"', /password is wrong/],
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption',
      /sslmode=require/,
    ],
    [
      '28000',
      'no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", SSL encryption',
      /pg_hba\.conf/,
    ],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate in certificate chain', /sslrootcert=FILE/],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      "Hostname/IP does not match certificate's altnames",
      /another host name/,
    ],
    [undefined, 'The server does not support SSL connections', /sslmode=disable/],
    ['ENOTFOUND', 'getaddrinfo ENOTFOUND db', /no such host/],
    ['53300', 'sorry, too many clients already', /max_connections/],
    ['08P01', 'unsupported startup parameter in options: search_path', /PgBouncer/],
    ['26000', 'prepared statement "x" does not exist', /ONETAKE_DATABASE_SESSION_URL/],
    [undefined, 'query_wait_timeout', /ONETAKE_DATABASE_POOL/],
    [undefined, 'something new', /check ONETAKE_DATABASE_URL/],
  ])('%s %s says what to type', (code, message, advice) => {
    expect(adviceOn({ code, message })).toMatch(advice);
  });

  it('covers each address of a host that was tried', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
    const error = unusableDatabase('postgres://u:hush@localhost:1/d', new AggregateError([refused, refused]));
    expect(error.message).toMatch(/^The database d at localhost:1 cannot be used: nothing listens there/);
    expect(error.message).not.toContain('hush');
  });
});
