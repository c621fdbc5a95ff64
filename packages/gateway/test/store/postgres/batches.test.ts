import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createBatches } from '../../../src/store/postgres/batches.ts';

/** The error of one write in a batch, and the error of a whole batch. */
const BAD_WRITE = new Error('one of them does not fit');
const AWAY = new Error('the server is away');

/** Batches whose sending the test observes and, if `held`, ends. */
function watched({ size = 100, concurrency = 100, held = false } = {}) {
  const sent: string[][] = [];
  const waiting: (() => void)[] = [];
  const batches = createBatches<string, string>({
    size,
    concurrency,
    nameOf: (write) => write.split(' ')[0] ?? '',
    mayBeOneWrite: (error) => error === BAD_WRITE,
    async send(writes) {
      sent.push([...writes]);
      if (held) await new Promise<void>((resolve) => waiting.push(resolve));
      if (writes.some((write) => write.includes('away'))) throw AWAY;
      if (writes.some((write) => write.includes('bad'))) throw BAD_WRITE;
      return writes
        .slice(0, writes.some((write) => write.includes('lost')) ? -1 : undefined)
        .map((write) => `${write}!`);
    },
  });
  const addAll = (...writes: string[]) => Promise.allSettled(writes.map((write) => batches.add(write)));
  /** Ends the sending of the batch that has waited longest. */
  const release = async () => {
    waiting.shift()?.();
    await turn();
    await turn();
  };
  return { batches, sent, addAll, release };
}

const letters = (count: number) => Array.from({ length: count }, (_, n) => `w${n}`);
const isIdle = async (idle: Promise<void>) => {
  const pending = Symbol('pending');
  return (await Promise.race([idle, turn(pending)])) !== pending;
};

describe('writes of one turn', () => {
  it('are sent together, and each has its own result', async () => {
    const { sent, addAll } = watched();
    const outcomes = await addAll('a', 'b', 'c');
    expect(sent).toEqual([['a', 'b', 'c']]);
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value)).toEqual([
      'a!',
      'b!',
      'c!',
    ]);
  });

  it('respect the limits of writes per batch and of batches at a time', async () => {
    const { sent, batches, addAll, release } = watched({ size: 3, concurrency: 2, held: true });
    const adding = addAll(...letters(8));
    await turn();
    expect(sent.map((batch) => batch.length)).toEqual([3, 3]);
    // Writes that come in the meantime wait for their turn.
    const later = batches.add('later');
    await turn();
    await turn();
    expect(sent).toHaveLength(2);
    await release();
    expect(sent[2]).toEqual(['w6', 'w7', 'later']);
    while (sent.length > 0 && !(await isIdle(batches.idle()))) await release();
    expect((await adding).map(({ status }) => status)).toEqual(Array(8).fill('fulfilled'));
    expect(await later).toBe('later!');
  });

  it('for one task are sent one after the other in their order, and delay no others', async () => {
    const { sent, addAll, release } = watched({ held: true });
    const adding = addAll('a 1', 'a 2', 'b 1', 'a 3');
    await turn();
    expect(sent).toEqual([['a 1', 'b 1']]);
    await release();
    expect(sent.slice(1)).toEqual([['a 2']]);
    await release();
    expect(sent.slice(2)).toEqual([['a 3']]);
    await release();
    expect((await adding).map(({ status }) => status)).toEqual(Array(4).fill('fulfilled'));
  });
});

describe('a batch that fails', () => {
  it('because of one write is halved until only that write fails', async () => {
    const { sent, addAll } = watched();
    const outcomes = await addAll('a', 'b', 'bad', 'd', 'e');
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual([true, true, false, true, true]);
    expect(outcomes[2]).toEqual({ status: 'rejected', reason: BAD_WRITE });
    expect(sent).toEqual([['a', 'b', 'bad', 'd', 'e'], ['a', 'b', 'bad'], ['a', 'b'], ['bad'], ['d', 'e']]);
  });

  it('as a whole fails each of its writes, and is not sent again', async () => {
    const { sent, addAll } = watched();
    const outcomes = await addAll('a', 'away', 'c');
    expect(outcomes).toEqual(Array(3).fill({ status: 'rejected', reason: AWAY }));
    expect(sent).toHaveLength(1);
  });

  it('because its answer lacks results fails each write, and gives none the result of another', async () => {
    const { addAll } = watched();
    const outcomes = await addAll('a', 'lost', 'c');
    expect(outcomes.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
  });

  it('allows the next write for the same task', async () => {
    const { batches, addAll } = watched();
    await addAll('a away');
    expect(await batches.add('a again')).toBe('a again!');
  });
});

describe('batches are idle', () => {
  it('at once if nothing was added', async () => {
    expect(await isIdle(watched().batches.idle())).toBe(true);
  });

  it('once nothing is queued or being sent, and not before', async () => {
    const { batches, addAll, release } = watched({ size: 1, concurrency: 1, held: true });
    const adding = addAll('a', 'b');
    const both = [batches.idle(), batches.idle()] as const;
    await turn();
    for (const idle of both) expect(await isIdle(idle)).toBe(false);
    await release();
    for (const idle of both) expect(await isIdle(idle)).toBe(false);
    await release();
    for (const idle of both) expect(await isIdle(idle)).toBe(true);
    await adding;
  });
});
