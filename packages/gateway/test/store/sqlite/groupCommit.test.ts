import { setImmediate as turn } from 'node:timers/promises';
import Database, { SqliteError } from 'better-sqlite3';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { StoreRefused, StoreUnavailable } from '../../../src/store/errors.ts';
import { createGroupCommit } from '../../../src/store/sqlite/groupCommit.ts';
import { isLocked, lockPause, retryWhileLocked } from '../../../src/store/sqlite/locked.ts';
import { rides } from '../../../src/store/sqlite/operations/writes.ts';
import { tempFolder } from '../../support/tempFolder.ts';

afterEach(() => void vi.useRealTimers());

const sqliteError = (code: string) => new SqliteError('words of SQLite', code);

/** A table in a file, a connection to it, and what commits in groups on it. */
async function aTable(options: Parameters<typeof createGroupCommit>[1] = {}) {
  const path = `${await tempFolder()}/db`;
  const open = () => {
    const db = new Database(path, { timeout: 0 });
    onTestFinished(() => void db.close());
    return db;
  };
  const db = open();
  db.exec('create table rows (n integer primary key)');
  const insert = db.prepare('insert into rows values (?)');
  return {
    db,
    beside: open(),
    inGroup: createGroupCommit(db, options),
    add: (n: number) => () => void insert.run(n),
    rows: () => db.prepare<[], number>('select n from rows order by n').pluck().all(),
  };
}

describe('a write in a group', () => {
  it('resolves with its result once all of its turn are committed', async () => {
    const { db, beside, inGroup, add } = await aTable();
    const seen: unknown[] = [];
    const count = beside.prepare('select count(*) from rows').pluck();
    const writes = [1, 2].map((n) =>
      inGroup(() => {
        add(n)();
        return `wrote ${n}`;
      }).then((result) => seen.push([result, count.get(), db.inTransaction])),
    );
    expect(db.inTransaction).toBe(false);
    await Promise.all(writes);
    expect(seen).toEqual([
      ['wrote 1', 2, false],
      ['wrote 2', 2, false],
    ]);
    await inGroup(add(3));
    expect(count.get()).toBe(3);
  });

  it('that throws is rolled back alone', async () => {
    const { inGroup, add, rows } = await aTable();
    const error = new Error('a bug');
    const outcomes = await Promise.allSettled([
      inGroup(add(1)),
      inGroup(() => {
        add(2)();
        throw error;
      }),
      inGroup(add(3)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect([outcomes[1], rows()]).toEqual([{ status: 'rejected', reason: error }, [1, 3]]);
  });

  it('that ends the transaction fails with all others of its group', async () => {
    const { db, inGroup, add, rows } = await aTable();
    const outcomes = await Promise.allSettled([
      inGroup(add(1)),
      inGroup(() => {
        db.exec('rollback');
        throw sqliteError('SQLITE_FULL');
      }),
      inGroup(add(3)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect([rows(), db.inTransaction]).toEqual([[], false]);
    await inGroup(add(4));
    expect(rows()).toEqual([4]);
  });

  it('fails with its group if the commit fails, and the next group works', async () => {
    const { db, inGroup, add, rows } = await aTable();
    db.exec('create table children (n integer references rows (n) deferrable initially deferred)');
    db.pragma('foreign_keys = ON');
    const orphan = db.prepare('insert into children values (9)');
    const outcomes = await Promise.allSettled([inGroup(add(1)), inGroup(() => void orphan.run())]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect([rows(), db.inTransaction]).toEqual([[], false]);
    await inGroup(add(2));
    expect(rows()).toEqual([2]);
  });

  it('is not begun while nothing may be written', async () => {
    let refusal: Error | undefined = new StoreUnavailable('the folder is gone', 60);
    const { inGroup, add, rows } = await aTable({
      requireWritable() {
        if (refusal) throw refusal;
      },
    });
    const outcomes = await Promise.allSettled([inGroup(add(1)), inGroup(add(2))]);
    expect(outcomes).toEqual([
      { status: 'rejected', reason: refusal },
      { status: 'rejected', reason: refusal },
    ]);
    refusal = undefined;
    await inGroup(add(3));
    expect(rows()).toEqual([3]);
  });

  it.each<[Error, typeof StoreRefused | typeof StoreUnavailable, RegExp]>([
    [sqliteError('SQLITE_CONSTRAINT_UNIQUE'), StoreRefused, /refused/],
    [sqliteError('SQLITE_MISMATCH'), StoreRefused, /refused/],
    [sqliteError('SQLITE_TOOBIG'), StoreRefused, /refused/],
    [sqliteError('SQLITE_RANGE'), StoreRefused, /refused/],
    [new TypeError('no such type'), StoreRefused, /refused/],
    [new RangeError('too large'), StoreRefused, /refused/],
    [sqliteError('SQLITE_FULL'), StoreUnavailable, /disk of the gateway is full/],
    [sqliteError('SQLITE_READONLY_DBMOVED'), StoreUnavailable, /read-only/],
    [sqliteError('SQLITE_IOERR_WRITE'), StoreUnavailable, /does not work/],
    [sqliteError('SQLITE_CORRUPT'), StoreUnavailable, /cannot write its data/],
  ])('that fails with %s is reported as what it means', async (error, kind, message) => {
    const { inGroup } = await aTable();
    const thrown = await inGroup(() => {
      throw error;
    }).catch((caught: unknown) => caught);
    expect(thrown).toBeInstanceOf(kind);
    expect(thrown).toMatchObject({ cause: error, message: expect.stringMatching(message) });
    if (kind === StoreUnavailable) expect(thrown).toMatchObject({ details: { retryAfterSeconds: 5 } });
  });
});

describe('a write that rides', () => {
  const FULL = 2;
  const NORMAL = 1;

  it('is not synced alone, and is synced with the first that does not ride', async () => {
    const { db, inGroup } = await aTable();
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    const sync = () => db.pragma('synchronous', { simple: true });
    const riding = () => inGroup(sync, { rides: true });
    expect(await Promise.all([riding(), riding()])).toEqual([NORMAL, NORMAL]);
    expect(await Promise.all([riding(), inGroup(sync), riding()])).toEqual([FULL, FULL, FULL]);
    expect([await riding(), await inGroup(sync)]).toEqual([NORMAL, FULL]);
  });

  it('is one that is made again from what is there', () => {
    for (const name of ['accept', 'claim', 'putFile', 'putKey', 'removeMedia', 'removeTasks'])
      expect(rides(name, [])).toBe(false);
    expect([rides('commit', [{ repeatable: true }]), rides('commit', [{}])]).toEqual([true, false]);
    const media = (state: string) => ({ state });
    expect(rides('putMedia', [[media('pending'), media('pending')]])).toBe(true);
    expect(rides('putMedia', [[media('pending'), media('present')]])).toBe(false);
    expect(rides('putMedia', [[{ kind: 'poster', state: 'present' }]])).toBe(true);
    expect(rides('no such write', [])).toBe(false);
  });
});

describe('while another process has the file locked', () => {
  it('writes are retried after longer and longer pauses, each until its own time is up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const start = performance.now();
    const tries: number[] = [];
    const { beside, inGroup, add, rows } = await aTable({
      lockPatienceMs: 300,
      requireWritable: () => void tries.push(performance.now() - start),
    });
    beside.exec('begin immediate');
    const outcomes: unknown[] = [];
    const write = (n: number) =>
      void inGroup(add(n)).then(
        () => outcomes.push(n),
        ({ code, message }) => outcomes.push([n, code, /locked/.test(message)]),
      );
    const pass = async (ms: number) => {
      for (let passed = 0; passed < ms; passed++) {
        vi.advanceTimersByTime(1);
        await turn();
      }
    };
    write(1);
    await turn();
    await turn();
    await pass(150);
    write(2);
    await pass(150);
    expect([tries, outcomes]).toEqual([[0, 2, 6, 14, 30, 62, 126, 226], []]);
    await pass(26);
    expect([tries.at(-1), outcomes]).toEqual([326, [[1, 'store_unavailable', true]]]);
    beside.exec('commit');
    await pass(100);
    expect([tries.at(-1), outcomes.at(-1), rows()]).toEqual([426, 2, [2]]);

    // The pauses begin anew.
    beside.exec('begin immediate');
    tries.length = 0;
    write(3);
    await turn();
    await turn();
    await pass(300);
    expect(tries.slice(0, 3).map((at) => at - (tries[0] ?? 0))).toEqual([0, 2, 6]);
    // Nobody waits any more: nothing is tried.
    await pass(200);
    expect(outcomes.at(-1)).toEqual([3, 'store_unavailable', true]);
    const before = tries.length;
    await pass(500);
    expect(tries.length).toBe(before);
    beside.exec('commit');
  });

  it('the pauses double up to a tenth of a second', () => {
    expect([0, 1, 2, 5, 6, 20].map(lockPause)).toEqual([2, 4, 8, 64, 100, 100]);
    expect(
      ['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT', 'SQLITE_LOCKED'].map((code) => isLocked(sqliteError(code))),
    ).toEqual([true, true, false]);
    expect(isLocked(Object.assign(new Error('busy'), { code: 'SQLITE_BUSY' }))).toBe(false);
  });

  it('other work is retried too, until its time is up', async () => {
    let tries = 0;
    const busyFor = (times: number) => () => {
      tries += 1;
      if (tries <= times) throw sqliteError('SQLITE_BUSY');
      return 'done';
    };
    expect([await retryWhileLocked(busyFor(3)), tries]).toEqual(['done', 4]);
    tries = 0;
    await expect(retryWhileLocked(busyFor(9), 0)).rejects.toMatchObject({
      code: 'store_unavailable',
      status: 503,
    });
    expect(tries).toBe(1);
    const error = sqliteError('SQLITE_FULL');
    await expect(
      retryWhileLocked(() => {
        throw error;
      }),
    ).rejects.toBe(error);
  });
});
