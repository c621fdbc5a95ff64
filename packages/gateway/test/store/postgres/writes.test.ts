import { DatabaseError } from 'pg';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { StoreRefused, StoreUnavailable } from '../../../src/store/errors.ts';
import type { Connections, Run, Statement } from '../../../src/store/postgres/pool.ts';
import { SQL } from '../../../src/store/postgres/statements.ts';
import { createWrites } from '../../../src/store/postgres/writes.ts';
import { createRowReader } from '../../../src/store/readRows.ts';
import { attemptToRow, mediaToRow, taskToRow } from '../../../src/store/tables.ts';
import { aMediaRow, anAcceptance, aTask } from '../../support/builders.ts';
import { INTENT, moved } from '../contract/steps.ts';

type Answer = (values: readonly unknown[]) => readonly object[] | Error;

const ANSWERED = ['accept', 'commit', 'task', 'remembered', 'makeCounters'] as const;

/** Writes over connections that answer as they are told to. */
function someWrites(answers: Partial<Record<(typeof ANSWERED)[number], Answer>>) {
  const asked: [Statement, readonly unknown[]][] = [];
  const byStatement = new Map(ANSWERED.map((name) => [SQL[name], answers[name]] as const));
  const run: Run = async <Row extends object>(statement: Statement, values: readonly unknown[] = []) => {
    asked.push([statement, values]);
    const answer = byStatement.get(statement)?.(values) ?? [];
    if (answer instanceof Error) throw answer;
    return [...answer] as Row[];
  };
  const connections: Connections = {
    run,
    read: run,
    transaction: (work) => work(run),
    close: async () => undefined,
  };
  const places: [string, number][] = [];
  const writes = createWrites({
    connections,
    rows: createRowReader(),
    node: () => 'node-7',
    concurrency: 2,
    onPlaces: (...changed) => void places.push(changed),
    onDelivery: () => undefined,
  });
  return {
    writes,
    places,
    run,
    count: (statement: Statement) => asked.filter(([one]) => one === statement).length,
    /** The parameters of a statement's nth execution, parsed where they are JSON. */
    values: (statement: Statement, nth = 0) =>
      asked
        .filter(([one]) => one === statement)
        [nth]?.[1].map((value) => {
          const text = String(value);
          return /^[[{]/.test(text) ? JSON.parse(text) : value;
        }),
  };
}

const written = (values: readonly unknown[]) =>
  JSON.parse(String(values[0])).map(({ n }: { n: number }) => ({ n, free: true, written: true }));
const joined = (task: ReturnType<typeof aTask>, bodyHash = 'h') => ({
  ...taskToRow(task),
  a_number: null,
  body_hash: bodyHash,
});
const IDEMPOTENCY = { key: 'k', bodyHash: 'h', expiresAt: 9 };

describe('an acceptance', () => {
  it('is sent with all rows that belong to it, of one turn together', async () => {
    const { writes, values, count } = someWrites({ accept: written });
    const [first, second] = [aTask(), aTask()];
    const media = aMediaRow();
    const acceptances = [
      anAcceptance(first, { idempotency: IDEMPOTENCY }),
      anAcceptance(second, { media: [{ ...media, bytes: 1 }, aMediaRow(), { ...media, bytes: 2 }] }),
    ];
    expect(await Promise.all(acceptances.map((one) => writes.accept(one)))).toEqual([
      { outcome: 'accepted' },
      { outcome: 'accepted' },
    ]);
    expect(count(SQL.accept)).toBe(1);
    const [tasks, ledger, rows] = values(SQL.accept) ?? [];
    expect(tasks).toEqual([
      { n: 0, ...taskToRow(first), idempotency_key: 'k', body_hash: 'h', remembered_until: 9 },
      { n: 1, ...taskToRow(second), idempotency_key: null, body_hash: null, remembered_until: null },
    ]);
    expect(ledger).toEqual(
      [first, second].map((task, n) => ({
        n,
        task_id: task.id,
        kind: 'hold',
        project_id: 'project',
        key_id: 'key',
        amount_micros: 400_000,
        currency: 'USD',
        created_at: task.createdAt,
      })),
    );
    // A statement writes a row once: the last one of each id.
    expect(rows).toMatchObject([{ n: 1, ...mediaToRow({ ...media, bytes: 2 }) }, { n: 1 }]);
    expect(rows).toHaveLength(2);
  });

  it('with a key that is being used waits for the other one', async () => {
    const { writes, count } = someWrites({ accept: written });
    const idempotency = IDEMPOTENCY;
    await Promise.all([
      writes.accept(anAcceptance(aTask(), { idempotency })),
      writes.accept(anAcceptance(aTask(), { idempotency })),
      writes.accept(anAcceptance(aTask({ projectId: 'other' }), { idempotency })),
    ]);
    expect(count(SQL.accept)).toBe(2);
  });

  it('that was written before is the same one, unless its id belongs to another task', async () => {
    const task = aTask();
    const there = someWrites({
      accept: () => [{ n: 0, free: true, written: false }],
      task: () => [joined({ ...task, phase: 'running' })],
    });
    expect(await there.writes.accept(anAcceptance(task))).toEqual({ outcome: 'accepted' });
    expect(there.values(SQL.task)).toEqual([task.id]);
    await expect(there.writes.accept(anAcceptance({ ...task, keyId: 'other' }))).rejects.toThrow(
      /another task/,
    );
  });

  it('with a used key is the earlier task, or a conflict', async () => {
    const earlier = aTask();
    const used = someWrites({
      accept: () => [{ n: 0, free: false, written: false }],
      remembered: () => [joined(earlier)],
    });
    const task = aTask();
    const again = anAcceptance(task, { idempotency: IDEMPOTENCY });
    expect(await used.writes.accept(again)).toEqual({ outcome: 'replayed', task: earlier });
    expect(used.values(SQL.remembered)).toEqual(['project', 'k', task.createdAt]);
    const other = anAcceptance(task, { idempotency: { ...IDEMPOTENCY, bodyHash: 'other' } });
    expect(await used.writes.accept(other)).toEqual({ outcome: 'conflict' });
  });

  it('is tried again when a used key became free, ten times at most', async () => {
    let tries = 0;
    const freed = someWrites({
      accept(values) {
        tries += 1;
        return tries < 10 ? [{ n: 0, free: false, written: false }] : written(values);
      },
    });
    const acceptance = anAcceptance(aTask(), { idempotency: IDEMPOTENCY });
    expect([await freed.writes.accept(acceptance), tries]).toEqual([{ outcome: 'accepted' }, 10]);
    const never = someWrites({ accept: () => [] });
    await expect(never.writes.accept(acceptance)).rejects.toThrow(
      `${acceptance.task.id} could not be accepted`,
    );
    expect([never.count(SQL.accept), never.count(SQL.remembered)]).toEqual([10, 10]);
  });

  it('is retried while the database is unavailable, and not if it refuses', async () => {
    let tries = 0;
    const away = someWrites({
      accept(values) {
        tries += 1;
        return tries < 3 ? new StoreUnavailable('not now', 1) : written(values);
      },
    });
    expect([await away.writes.accept(anAcceptance(aTask())), tries]).toEqual([{ outcome: 'accepted' }, 3]);
    const refused = someWrites({ accept: () => new StoreRefused(new DatabaseError('no', 2, 'error')) });
    await expect(refused.writes.accept(anAcceptance(aTask()))).rejects.toBeInstanceOf(StoreRefused);
    expect(refused.count(SQL.accept)).toBe(1);
  });

  it('is retried for ten seconds, and not once the store is closed', async () => {
    const away = someWrites({ accept: () => new StoreUnavailable('not now', 1) });
    const start = performance.now();
    const clock = vi.spyOn(performance, 'now');
    onTestFinished(() => void clock.mockRestore());
    clock
      .mockReturnValueOnce(start)
      .mockReturnValueOnce(start + 10_000)
      .mockReturnValueOnce(start + 10_001);
    await expect(away.writes.accept(anAcceptance(aTask()))).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(away.count(SQL.accept)).toBe(2);
    await away.writes.close();
    await expect(away.writes.accept(anAcceptance(aTask()))).rejects.toMatchObject({
      code: 'store_unavailable',
    });
    expect(away.count(SQL.accept)).toBe(3);
  });
});

describe('a move', () => {
  it('is sent with all rows that belong to it, of one turn together, and answered by its place', async () => {
    const { writes, values, count } = someWrites({ commit: () => [{ written: [1] }] });
    const [intent, failed] = [
      moved(aTask(), INTENT, 77),
      moved(
        aTask(),
        { type: 'failed', error: { code: 1, reason: 'expired', message: 'm' }, outcome: 'expired' },
        78,
      ),
    ];
    const media = aMediaRow();
    expect(
      await Promise.all([writes.commit(intent, [media, { ...media, bytes: 3 }]), writes.commit(failed, [])]),
    ).toEqual([false, true]);
    expect(count(SQL.commit)).toBe(1);
    const [tasks, attempts, ledger, rows, events, node, ...counted] = values(SQL.commit) ?? [];
    expect(tasks).toEqual(
      [intent, failed].map(({ task, from }, n) => ({
        n,
        ...taskToRow(task),
        from_phase: from.phase,
        from_version: from.version,
        ...[
          { place: 1, place_account: 'account', place_limit: null },
          { place: 0, place_account: null, place_limit: null, given_back: 400_000 },
        ][n],
      })),
    );
    const { attempt } = intent.task;
    expect(attempts).toEqual([{ n: 0, ...(attempt && attemptToRow(intent.task.id, attempt)) }]);
    expect(ledger).toMatchObject([{ n: 1, task_id: failed.task.id, kind: 'release', created_at: 78 }]);
    expect(rows).toEqual([{ n: 0, ...mediaToRow({ ...media, bytes: 3 }) }]);
    expect(events).toMatchObject([{ n: 1, task_id: failed.task.id, type: 'video.failed', at: 78 }]);
    expect(node).toBe('node-7');
    // Only a task that ends gives something back.
    expect(counted).toEqual([
      ['project:project', 'key:key'],
      ['key'],
      ['in_flight', '2026-09', '2026-09-21'],
    ]);
  });

  it('of the same task waits for the one before', async () => {
    const { writes, count } = someWrites({ commit: () => [{ written: [0] }] });
    const first = moved(aTask(), INTENT);
    const second = moved(first.task, { type: 'submit_confirmed', upstreamId: 'job', working: true });
    expect(await Promise.all([writes.commit(first, []), writes.commit(second, [])])).toEqual([true, true]);
    expect(count(SQL.commit)).toBe(2);
  });

  it('that takes a place is sent with the number of places, and may find none', async () => {
    const { writes, values, places } = someWrites({
      commit: () => [{ written: [0], without_place: [1], places: [['account', 3]] }],
    });
    const [first, second] = [moved(aTask(), INTENT), moved(aTask(), INTENT)];
    expect(await Promise.all([writes.intend(first, 3), writes.intend(second, 2)])).toEqual([
      'written',
      'no_place',
    ]);
    expect(values(SQL.commit)?.[0]).toMatchObject([
      { n: 0, place: 1, place_account: 'account', place_limit: 3 },
      { n: 1, place: 1, place_account: 'account', place_limit: 2 },
    ]);
    expect(places).toEqual([['account', 3]]);
  });

  it('makes the counter of its account before the first of them, and again if it has gone', async () => {
    let isGone = false;
    const { writes, count, values } = someWrites({
      commit: () => [isGone ? { without_counter: [0] } : { written: [0] }],
    });
    const commit = () => writes.commit(moved(aTask(), INTENT), []);
    expect([await commit(), await commit(), count(SQL.makeCounters)]).toEqual([true, true, 1]);
    expect(values(SQL.makeCounters)).toEqual([['account']]);
    isGone = true;
    await expect(commit()).rejects.toMatchObject({ code: 'store_unavailable' });
    isGone = false;
    expect([await commit(), count(SQL.makeCounters)]).toEqual([true, 2]);
  });

  it('can be written alone, in a transaction that has begun', async () => {
    const lost = someWrites({ commit: () => [] });
    const won = someWrites({ commit: () => [{ written: [0] }] });
    const move = moved(aTask(), INTENT);
    expect(await won.writes.commitWith(lost.run, move)).toBe(false);
    expect(await lost.writes.commitWith(won.run, move)).toBe(true);
    expect([lost.count(SQL.commit), won.count(SQL.commit)]).toEqual([1, 1]);
    expect(won.values(SQL.commit)?.slice(3)).toEqual([[], [], 'node-7', [], [], ['in_flight']]);
  });
});
