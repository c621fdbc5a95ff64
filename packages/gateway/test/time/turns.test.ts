import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns } from '../../src/time/turns.ts';

it('runs so many in a turn of the event loop, and the others in order after it', async () => {
  const turns = createTurns(2);
  const ran: number[] = [];
  for (const n of [1, 2, 3, 4, 5]) turns(() => ran.push(n));
  expect(ran).toEqual([1, 2]);
  await turn();
  expect(ran).toEqual([1, 2, 3, 4]);
  turns(() => ran.push(6));
  expect(ran, 'not before those that came first').toEqual([1, 2, 3, 4]);
  await turn();
  expect(ran).toEqual([1, 2, 3, 4, 5, 6]);
});

it('starts anew in each turn', async () => {
  const turns = createTurns(1);
  const ran: number[] = [];
  for (const n of [1, 2, 3]) {
    turns(() => ran.push(n));
    expect(ran).toHaveLength(n);
    await turn();
  }
});
