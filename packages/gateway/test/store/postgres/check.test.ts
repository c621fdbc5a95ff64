import { DatabaseError } from 'pg';
import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../src/store/errors.ts';
import { checkWrites, createSpaceWatch } from '../../../src/store/postgres/check.ts';
import type { Connections, Run, Statement } from '../../../src/store/postgres/pool.ts';
import { SQL } from '../../../src/store/postgres/statements.ts';

const databaseError = (code: string) => Object.assign(new DatabaseError('words', 5, 'error'), { code });
const asStoreHasIt = (code: string) => new StoreUnavailable('not now', 2, databaseError(code));

type Answer = readonly [Statement, readonly object[] | Error];

/** Connections with prepared answers, the latest one for a statement, which record their statements. */
function answering(...given: readonly Answer[]) {
  const answers = new Map(given);
  const asked: [Statement, readonly unknown[]][] = [];
  const run: Run = async <Row extends object>(statement: Statement, values: readonly unknown[] = []) => {
    asked.push([statement, values]);
    const answer = answers.get(statement) ?? [];
    if (answer instanceof Error) throw answer;
    return [...answer] as Row[];
  };
  const connections: Connections = {
    run,
    read: run,
    transaction: (work) => work(run),
    close: async () => undefined,
  };
  return { connections, asked: () => asked.map(([statement]) => statement), values: () => asked.at(-1)?.[1] };
}

const WRITABLE: readonly Answer[] = [
  [SQL.readOnly, [{ in_recovery: false, read_only: false }]],
  [SQL.writeCheck, [{ denied: [] }]],
];

const full = () => {
  const space = createSpaceWatch();
  space.note(databaseError('53100'));
  return space;
};

describe('the check that tasks can be written', () => {
  it('makes a write, and checks the rights on every table that a submission writes to', async () => {
    const { connections, asked, values } = answering(...WRITABLE);
    await expect(checkWrites(connections, createSpaceWatch())).resolves.toBeUndefined();
    expect(asked()).toEqual([SQL.readOnly, SQL.writeCheck]);
    expect(values()).toEqual([['tasks', 'attempts', 'ledger', 'media', 'idempotency', 'events']]);
  });

  it.each([
    [{ in_recovery: true, read_only: true }, /standby/],
    [{ in_recovery: false, read_only: true }, /default_transaction_read_only/],
  ])('makes no write at a server that says %j', async (row, message) => {
    const { connections, asked } = answering([SQL.readOnly, [row]]);
    await expect(checkWrites(connections, createSpaceWatch())).rejects.toMatchObject({
      code: 'database_read_only',
      status: 503,
      message: expect.stringMatching(message),
      details: { retryAfterSeconds: 5 },
    });
    expect(asked()).toEqual([SQL.readOnly]);
  });

  it('reports a server that went read-only in the meantime', async () => {
    const refused = answering(...WRITABLE, [SQL.writeCheck, asStoreHasIt('25006')]);
    await expect(checkWrites(refused.connections, createSpaceWatch())).rejects.toMatchObject({
      code: 'database_read_only',
    });
    const error = asStoreHasIt('57P01');
    const other = answering(...WRITABLE, [SQL.writeCheck, error]);
    await expect(checkWrites(other.connections, createSpaceWatch())).rejects.toBe(error);
    const unknown = new Error('what is this');
    const strange = answering(...WRITABLE, [SQL.writeCheck, unknown]);
    await expect(checkWrites(strange.connections, createSpaceWatch())).rejects.toBe(unknown);
  });

  it('fails if rights are missing, and names the tables', async () => {
    const denied = answering(...WRITABLE, [SQL.writeCheck, [{ denied: ['tasks', 'ledger'] }]]);
    await expect(checkWrites(denied.connections, createSpaceWatch())).rejects.toMatchObject({
      code: 'store_unavailable',
      message: expect.stringContaining('tables tasks, ledger;'),
      details: { retryAfterSeconds: 5 },
    });
  });

  it('fails after a write without space until there is space again', async () => {
    const space = full();
    const without = answering(...WRITABLE, [SQL.spaceCheck, asStoreHasIt('53100')]);
    for (let time = 0; time < 2; time++) {
      await expect(checkWrites(without.connections, space)).rejects.toMatchObject({
        cause: { code: '53100' },
      });
    }
    const { connections, asked } = answering(...WRITABLE);
    for (let time = 0; time < 2; time++) await checkWrites(connections, space);
    expect(asked()).toEqual([SQL.readOnly, SQL.writeCheck, SQL.spaceCheck, SQL.readOnly, SQL.writeCheck]);
  });

  it('leaves the search for space to the next task if this user may not create a table', async () => {
    const space = full();
    const denied = answering(...WRITABLE, [SQL.spaceCheck, asStoreHasIt('42501')]);
    await expect(checkWrites(denied.connections, space)).resolves.toBeUndefined();
    expect(space.full).toBe(false);
  });
});

describe('a server without space', () => {
  it('is recognised only by its own error code', () => {
    const space = createSpaceWatch();
    for (const error of [
      databaseError('53200'),
      Object.assign(new Error('full'), { code: '53100' }),
      'full',
    ]) {
      space.note(error);
      expect(space.full).toBe(false);
    }
    space.note(databaseError('53100'));
    space.note(databaseError('23505'));
    expect(space.full).toBe(true);
    space.clear();
    expect(space.full).toBe(false);
  });
});
