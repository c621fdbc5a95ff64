import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type ConnectionOptions, openConnections } from '../../../src/store/postgres/pool.ts';
import { freshDatabase } from '../../support/servers/database.ts';

async function connections(options: Partial<ConnectionOptions> = {}) {
  const onError = vi.fn();
  const opened = openConnections({
    url: await freshDatabase(),
    size: 1,
    namedStatements: true,
    onError,
    ...options,
  });
  onTestFinished(() => opened.close());
  return { ...opened, onError };
}
const PID = { text: 'select pg_backend_pid() as pid' };
const PREPARED = { text: 'select name from pg_prepared_statements' };
const NAMED = { name: 'onetake-test', text: 'select $1::bigint as n' };

describe('a statement', () => {
  it('is prepared by its name, and its bigints are numbers', async () => {
    const { run } = await connections();
    expect(await run(NAMED, [2 ** 40])).toEqual([{ n: 2 ** 40 }]);
    expect(await run(PREPARED)).toEqual([{ name: 'onetake-test' }]);
    expect(await run({ text: `select '{"a":1}'::json as j, 1::int as i, 'x' as t` })).toEqual([
      { j: { a: 1 }, i: 1, t: 'x' },
    ]);
    expect(await run({ text: `select current_setting('application_name') as name` })).toEqual([
      { name: 'onetake' },
    ]);
  });

  it('has no name behind a pooler', async () => {
    const { run, transaction } = await connections({ namedStatements: false });
    await run(NAMED, [1]);
    await transaction((inside) => inside(NAMED, [1]));
    expect(await run(PREPARED)).toEqual([]);
  });

  it('uses a connection again, or as often as it may', async () => {
    const [many, once] = [await connections(), await connections({ usesPerConnection: 1 })];
    expect(await many.run(PID)).toEqual(await many.run(PID));
    expect(await once.run(PID)).not.toEqual(await once.run(PID));
  });

  it('that fails reports the error of the driver, and leaves the connection', async () => {
    const { run, onError } = await connections();
    const before = await run(PID);
    await expect(run({ text: 'select 1 / 0' })).rejects.toMatchObject({ name: 'StoreRefused' });
    await expect(run({ text: 'select * from nowhere' })).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(onError.mock.calls.map(([error]) => error.code)).toEqual(['22012', '42P01']);
    expect(await run(PID)).toEqual(before);
  });

  it('that gets no response in time is given up with its connection', async () => {
    const { run } = await connections({ answerTimeoutMs: 300 });
    const before = await run(PID);
    await expect(run({ text: 'select pg_sleep(5)' })).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await run(PID)).not.toEqual(before);
  });
});

describe('a read', () => {
  it('is repeated once on another connection, a write is not', async () => {
    const { run, read } = await connections({ size: 2 });
    await run({ text: 'create table cuts (n int)' });
    // Ends its own session, as long as there is no row yet that says so.
    const cut = (table: string) => ({
      text: `select case when count(*) = 0 then pg_terminate_backend(pg_backend_pid()) end from ${table}`,
    });
    await expect(run(cut('cuts'))).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(read(cut('cuts'))).rejects.toMatchObject({ code: 'store_unavailable' });
    await expect(read({ text: 'select * from nowhere' })).rejects.toMatchObject({ cause: { code: '42P01' } });
    expect(await read({ text: 'select $1::int as n' }, [3])).toEqual([{ n: 3 }]);
  });
});

describe('a transaction', () => {
  it('is committed with all its statements, which see the timeout for idle transactions', async () => {
    const { run, transaction } = await connections({ size: 2 });
    await run({ text: 'create table t (n int)' });
    const timeout = await transaction(async (inside) => {
      await inside({ text: 'insert into t values ($1)' }, [1]);
      expect(await run({ text: 'select * from t' })).toEqual([]);
      return inside({ text: `select current_setting('idle_in_transaction_session_timeout') as timeout` });
    });
    expect(timeout).toEqual([{ timeout: '5s' }]);
    expect(await run({ text: 'select * from t' })).toEqual([{ n: 1 }]);
    expect(
      await run({ text: `select current_setting('idle_in_transaction_session_timeout') as timeout` }),
    ).toEqual([{ timeout: '0' }]);
  });

  it('that fails is rolled back, and leaves the connection', async () => {
    const { run, transaction } = await connections();
    await run({ text: 'create table t (n int)' });
    const before = await run(PID);
    await expect(
      transaction(async (inside) => {
        await inside({ text: 'insert into t values (1)' });
        await inside({ text: 'select 1 / 0' });
      }),
    ).rejects.toMatchObject({ name: 'StoreRefused' });
    expect(await run({ text: 'select * from t' })).toEqual([]);
    expect(await run(PID)).toEqual(before);
  });

  it('whose work throws is rolled back with its connection', async () => {
    const { run, transaction } = await connections();
    await run({ text: 'create table t (n int)' });
    const error = new Error('a bug');
    await expect(
      transaction(async (inside) => {
        await inside({ text: 'insert into t values (1)' });
        throw error;
      }),
    ).rejects.toMatchObject({ cause: error });
    expect(await run({ text: 'select * from t' })).toEqual([]);
  });
});

it('a transaction that the server ends because of a deadlock is repeated', async () => {
  const url = await freshDatabase();
  const { run, transaction, onError } = await connections({ url, size: 2 });
  await run({ text: 'create table counters (id int primary key, n int not null)' });
  await run({ text: 'insert into counters values (1, 0), (2, 0)' });
  const increase = { text: 'update counters set n = n + 1 where id = $1' };
  const locked = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const both = (first: number, second: number) =>
    transaction(async (inside) => {
      await inside(increase, [first]);
      locked[first === 1 ? 0 : 1].resolve();
      await Promise.all(locked.map(({ promise }) => promise));
      await inside(increase, [second]);
    });
  await Promise.all([both(1, 2), both(2, 1)]);
  expect(onError).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: '40P01' }));
  expect(await run({ text: 'select n from counters order by id' })).toEqual([{ n: 2 }, { n: 2 }]);
});
