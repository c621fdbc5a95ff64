import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createDuplicateGuard } from '../../../src/engine/recovery/duplicateGuard.ts';

/** Work that goes on until it is let go, and what has happened so far. */
function stage() {
  const happened: string[] = [];
  const work = (name: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const run = async () => {
      happened.push(`${name} begins`);
      await promise;
      happened.push(`${name} ends`);
    };
    return { run, release: resolve };
  };
  return { happened, work };
}

it('a search waits for the submissions under way, and the next submission waits for the search', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [first, second, search, late] = [work('first'), work('second'), work('search'), work('late')];
  const all = [
    duplicates.submitting('boat', first.run),
    duplicates.submitting('boat', second.run),
    duplicates.searching('boat', search.run),
    duplicates.submitting('boat', late.run),
  ];
  await turn();
  expect(happened).toEqual(['first begins', 'second begins']);
  first.release();
  await turn();
  expect(happened).not.toContain('search begins');
  second.release();
  await turn();
  expect(happened).toContain('search begins');
  expect(happened).not.toContain('late begins');
  search.release();
  late.release();
  await Promise.all(all);
  expect(happened.slice(-3)).toEqual(['search ends', 'late begins', 'late ends']);
});

it('searches run one after the other; what looks different is not held up', async () => {
  const duplicates = createDuplicateGuard();
  const { happened, work } = stage();
  const [one, two, other] = [work('one'), work('two'), work('other')];
  const all = [
    duplicates.searching('boat', one.run),
    duplicates.searching('boat', two.run),
    duplicates.searching('kite', other.run),
  ];
  await turn();
  expect(happened).toEqual(['one begins', 'other begins']);
  for (const { release } of [one, two, other]) release();
  await Promise.all(all);
  expect(happened.indexOf('two begins')).toBeGreaterThan(happened.indexOf('one ends'));
});

it('work that fails holds up nobody', async () => {
  const duplicates = createDuplicateGuard();
  const fails = async () => {
    throw new Error('lost');
  };
  await expect(duplicates.submitting('boat', fails)).rejects.toThrow('lost');
  await expect(duplicates.searching('boat', fails)).rejects.toThrow('lost');
  await expect(duplicates.submitting('boat', async () => 'through')).resolves.toBe('through');
});
