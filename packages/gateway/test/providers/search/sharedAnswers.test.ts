import { expect, it } from 'vitest';
import { createSharedAnswers } from '../../../src/providers/search/sharedAnswers.ts';

function sharing() {
  let now = 0;
  let asked = 0;
  const shared = createSharedAnswers<number>(3000, () => now);
  return {
    of: (key: string, fails = false) =>
      shared.of(key, async () => {
        asked += 1;
        if (fails) throw new Error('down');
        return asked;
      }),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

it('an answer serves everybody who asks the same while it is fresh, and nobody afterwards', async () => {
  const { of, pass } = sharing();
  expect(await Promise.all([of('a'), of('a'), of('b')])).toEqual([1, 1, 2]);
  pass(2999);
  expect(await of('a')).toBe(1);
  pass(1);
  expect(await of('a')).toBe(3);
});

it('a failure is told to those who waited for it, and asked again by the next', async () => {
  const { of } = sharing();
  const [first, second] = [of('a', true), of('a', true)];
  await expect(first).rejects.toThrow('down');
  await expect(second).rejects.toThrow('down');
  expect(await of('a')).toBe(2);
});
