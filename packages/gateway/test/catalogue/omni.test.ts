import { describe, expect, it } from 'vitest';
import { builtIn } from './builtIn.ts';

const MODELS = builtIn.list().filter(({ family }) => family === 'gemini-omni');

it('there are models of Omni', () => expect(MODELS).toHaveLength(2));

describe.each(MODELS.map((model) => [model.id, model] as const))('%s', (_id, model) => {
  it('holds enough for the longest prompt in any language, and for what the model thinks', () => {
    // A token is a byte at least, and a character four bytes at most. The simulator's answer has 91 tokens of thoughts and notes.
    const prompt = 4 * model.promptMaxLength * 1.5;
    const thoughts = 91 * 9;
    for (const { microsPerVideo = 0 } of model.price.rates)
      expect(microsPerVideo).toBeGreaterThanOrEqual(prompt + thoughts);
  });

  it('takes images only as large as a poll can repeat them all in time', () => {
    const { image, lastFrame, references } = model.parameters;
    const [kind] = references?.takes ?? [];
    const bytes = [
      image?.limits?.maxBytes,
      lastFrame?.limits?.maxBytes,
      (kind?.limits?.maxBytes ?? Number.NaN) * (kind?.max ?? Number.NaN),
    ].reduce<number>((sum, most = Number.NaN) => sum + most, 0);
    // Base64 makes a third more of them. A call has 60 s, and a connection at least ten megabits a second.
    expect((bytes * 4) / 3).toBeLessThan((60 * 10_000_000) / 8);
  });
});
