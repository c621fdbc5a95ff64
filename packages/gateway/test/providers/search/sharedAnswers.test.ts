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

it('an answer is shared while it is fresh, and not afterwards', async () => {
  const { of, pass } = sharing();
  expect(await Promise.all([of('a'), of('a'), of('b')])).toEqual([1, 1, 2]);
  pass(2999);
  expect(await of('a')).toBe(1);
  pass(1);
  expect(await of('a')).toBe(3);
});

it('a failure reaches the callers that waited for it, and the next caller asks again', async () => {
  const { of } = sharing();
  const [first, second] = [of('a', true), of('a', true)];
  await expect(first).rejects.toThrow('down');
  await expect(second).rejects.toThrow('down');
  expect(await of('a')).toBe(2);
});
