import { describe, expect, it, vi } from 'vitest';
import { acceptedBefore } from '../../src/store/accepting.ts';
import { createRowReader, KEY, MEDIA, type RowKind, TASK } from '../../src/store/readRows.ts';
import { ASKED, asksLike, claimOf } from '../../src/store/submitting.ts';
import { taskToRow } from '../../src/store/tables.ts';
import { behind } from '../../src/store/taskList.ts';
import { aRequest, aTask } from '../support/builders.ts';
import { INTENT, moved } from './contract/steps.ts';

interface Row {
  readonly id: string;
  readonly good: boolean;
}
const ROWS: RowKind<Row, string> = {
  table: 'rows',
  parse({ id, good }) {
    if (!good) throw new Error(`${id} is bad`);
    return id;
  },
};
const good = (id: string): Row => ({ id, good: true });
const bad = (id: string): Row => ({ id, good: false });

describe('a reader of rows', () => {
  it('sets aside what it cannot read, and logs and counts each such row once', () => {
    const error = vi.fn();
    const reader = createRowReader({ error });
    expect(reader.unreadable).toBe(0);
    expect(reader.all(ROWS, [bad('a'), good('b'), bad('c')])).toEqual(['b']);
    expect(reader.all(ROWS, [bad('a')])).toEqual([]);
    expect(reader.all({ ...ROWS, table: 'others' }, [bad('a')])).toEqual([]);
    expect(reader.unreadable).toBe(3);
    expect(error.mock.calls.map(([facts]) => facts)).toEqual([
      { event: 'store.row_unreadable', table: 'rows', id: 'a', reason: 'a is bad' },
      { event: 'store.row_unreadable', table: 'rows', id: 'c', reason: 'c is bad' },
      { event: 'store.row_unreadable', table: 'others', id: 'a', reason: 'a is bad' },
    ]);
  });

  it('remembers ten thousand of them', () => {
    const reader = createRowReader();
    reader.all(
      ROWS,
      Array.from({ length: 10_001 }, (_, n) => bad(`row ${n}`)),
    );
    expect(reader.unreadable).toBe(10_000);
  });

  it('throws for a single row that it cannot read', () => {
    const error = vi.fn();
    const reader = createRowReader({ error });
    expect(reader.one(ROWS, good('a'))).toBe('a');
    let thrown: unknown;
    try {
      reader.one(ROWS, bad('b'));
    } catch (caught) {
      thrown = caught;
    }
    expect(thrown).toMatchObject({
      code: 'row_unreadable',
      status: 500,
      cause: { message: 'row b of rows cannot be read: b is bad' },
    });
    expect([reader.unreadable, error.mock.calls.length]).toEqual([1, 1]);
    const words: RowKind<Row, string> = {
      table: 'rows',
      parse() {
        throw 'no error';
      },
    };
    reader.all(words, [bad('c')]);
    expect(error).toHaveBeenLastCalledWith(
      expect.objectContaining({ reason: 'no error' }),
      expect.any(String),
    );
  });

  it.each<[string, readonly (readonly Row[])[], readonly string[], readonly [number, readonly string[]][]]>([
    ['is full at once', [[good('a'), good('b')]], ['a', 'b'], [[2, []]]],
    ['is the last', [[good('a')]], ['a'], [[2, []]]],
    ['is empty', [[]], [], [[2, []]]],
    [
      'is filled up after bad rows',
      [[bad('a'), good('b')], [good('c')]],
      ['b', 'c'],
      [
        [2, []],
        [1, ['a', 'b']],
      ],
    ],
    [
      'ends although rows are missing',
      [[bad('a'), bad('b')], [good('c'), bad('d')], []],
      ['c'],
      [
        [2, []],
        [2, ['a', 'b']],
        [1, ['a', 'b', 'c', 'd']],
      ],
    ],
  ])('reads a page that %s', async (_what, batches, expected, asked) => {
    const calls: [number, readonly string[]][] = [];
    const page = await createRowReader().page(ROWS, 2, (limit, before) => {
      calls.push([limit, before.map(({ id }) => id)]);
      return batches[calls.length - 1] ?? [];
    });
    expect([page, calls]).toEqual([expected, asked]);
  });

  it('knows the tables by their names', () => {
    expect([TASK, MEDIA, KEY, ASKED].map(({ table }) => table)).toEqual(['tasks', 'media', 'keys', 'tasks']);
  });
});

it('a page begins behind the last row of the one before', () => {
  expect(behind([])).toEqual({});
  expect(behind([{ id: 'a' }, { id: 'b' }, { id: 'c' }])).toEqual({ after: 'c' });
});

describe('a task that is accepted again', () => {
  const task = aTask();

  it('is the same one, whatever became of it', () => {
    const now = aTask({ ...task, phase: 'failed', version: 9, owner: 'x' });
    expect(acceptedBefore(now, task)).toEqual({ outcome: 'accepted' });
  });

  it.each([{ projectId: 'other' }, { keyId: 'other' }, { createdAt: 1 }])(
    'is another one if it has %j',
    (changes) => {
      expect(() => acceptedBefore({ ...task, ...changes }, task)).toThrow(/belongs to another task/);
    },
  );
});

describe('a submission', () => {
  it('claims the upstream job of its attempt', () => {
    const sent = moved(aTask(), INTENT);
    const confirmed = moved(sent.task, { type: 'submit_confirmed', upstreamId: 'job', working: false });
    expect(claimOf(confirmed)).toEqual({ accountId: 'account', upstreamId: 'job', number: 1 });
    expect(() => claimOf(sent)).toThrow('to submitting claims no upstream id');
  });

  it('is like another one with the same words', () => {
    const { id, version, owner, request } = taskToRow(aTask({ request: aRequest({ prompt: 'A  boat!' }) }));
    const asked = ASKED.parse({ id, version, owner, request });
    expect(asked).toEqual({ id, version, owner, prompt: 'A  boat!' });
    expect(asksLike(aTask({ request: aRequest({ prompt: 'A boat' }) }))(asked)).toBe(true);
    expect(asksLike(aTask({ request: aRequest({ prompt: 'A ship' }) }))(asked)).toBe(false);
  });
});
