import { setImmediate as tick } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTurns } from '../faults/turns.ts';

/** Work that ends when the test says so. */
function work(done: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = () => {
    done.push(`${name} begins`);
    return promise.then(() => void done.push(`${name} ends`));
  };
  return { run, end: resolve };
}

it('runs faults in parallel, and an exclusive one only when the others are over', async () => {
  const turns = createTurns();
  const done: string[] = [];
  const [first, second, alone, last] = ['first', 'second', 'alone', 'last'].map((name) => work(done, name));
  if (!first || !second || !alone || !last) throw new Error('unreachable');
  const all = [
    turns.together(first.run),
    turns.together(second.run),
    turns.alone(alone.run),
    turns.together(last.run),
  ];
  first.end();
  await tick();
  expect(done).toEqual(['first begins', 'second begins', 'first ends']);
  second.end();
  await tick();
  expect(done.slice(3)).toEqual(['second ends', 'alone begins']);
  alone.end();
  last.end();
  await Promise.all(all);
  expect(done.slice(5)).toEqual(['alone ends', 'last begins', 'last ends']);
});
