import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createTwins } from '../../../src/engine/recovery/duplicateGuard.ts';

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
    return { run, letGo: resolve };
  };
  return { happened, work };
}

it('a search waits for the submissions under way, and the next submission waits for the search', async () => {
  const twins = createTwins();
  const { happened, work } = stage();
  const [first, second, search, late] = [work('first'), work('second'), work('search'), work('late')];
  const all = [
    twins.submitting('boat', first.run),
    twins.submitting('boat', second.run),
    twins.searching('boat', search.run),
    twins.submitting('boat', late.run),
  ];
  await turn();
  expect(happened).toEqual(['first begins', 'second begins']);
  first.letGo();
  await turn();
  expect(happened).not.toContain('search begins');
  second.letGo();
  await turn();
  expect(happened).toContain('search begins');
  expect(happened).not.toContain('late begins');
  search.letGo();
  late.letGo();
  await Promise.all(all);
  expect(happened.slice(-3)).toEqual(['search ends', 'late begins', 'late ends']);
});

it('searches run one after the other; what looks different is not held up', async () => {
  const twins = createTwins();
  const { happened, work } = stage();
  const [one, two, other] = [work('one'), work('two'), work('other')];
  const all = [
    twins.searching('boat', one.run),
    twins.searching('boat', two.run),
    twins.searching('kite', other.run),
  ];
  await turn();
  expect(happened).toEqual(['one begins', 'other begins']);
  for (const { letGo } of [one, two, other]) letGo();
  await Promise.all(all);
  expect(happened.indexOf('two begins')).toBeGreaterThan(happened.indexOf('one ends'));
});

it('work that fails holds up nobody', async () => {
  const twins = createTwins();
  const fails = async () => {
    throw new Error('lost');
  };
  await expect(twins.submitting('boat', fails)).rejects.toThrow('lost');
  await expect(twins.searching('boat', fails)).rejects.toThrow('lost');
  await expect(twins.submitting('boat', async () => 'through')).resolves.toBe('through');
});
