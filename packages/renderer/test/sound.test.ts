import { describe, expect, it } from 'vitest';
import { SAMPLE_RATE } from '../src/encode.ts';
import { interpretPrompt } from '../src/prompt/direction.ts';
import { SCENE_WORDS } from '../src/prompt/lexicon.ts';
import { createSoundtrack } from '../src/sound/soundtrack.ts';

const soundOf = (prompt: string, seed = 1) => createSoundtrack(interpretPrompt(prompt), 2, seed);

/** Root mean square of a part of a channel. */
function loudness(samples: Float32Array, from = 0, to = samples.length): number {
  const part = samples.subarray(from, to);
  return Math.sqrt(part.reduce((sum, value) => sum + value * value, 0) / part.length);
}

/** How often the wave crosses zero in a second: often for hiss, rarely for hum. */
const crossings = (samples: Float32Array): number =>
  samples.reduce((count, value, i) => count + (i > 0 && value * (samples[i - 1] ?? 0) < 0 ? 1 : 0), 0) /
  (samples.length / SAMPLE_RATE);

describe('the sound of a film', () => {
  it.each([...Object.values(SCENE_WORDS).map((words) => words.split(', ')[0] ?? ''), 'justice'])(
    'can be heard, never clips, and fades at both ends: "%s"',
    (prompt) => {
      for (const channel of soundOf(prompt)) {
        expect(channel.length).toBe(2 * SAMPLE_RATE);
        expect(channel.every((value) => Math.abs(value) <= 1)).toBe(true);
        expect(loudness(channel)).toBeGreaterThan(0.01);
        expect(loudness(channel, 0, 480)).toBeLessThan(0.01);
        expect(loudness(channel, channel.length - 480)).toBeLessThan(0.01);
      }
    },
  );

  it('is the same for the same seed', () => {
    expect(soundOf('sea')).toEqual(soundOf('sea'));
    expect(soundOf('sea')[0]).not.toEqual(soundOf('sea', 2)[0]);
  });

  it('hisses when it rains', () => {
    expect(crossings(soundOf('city in the rain')[0])).toBeGreaterThan(2 * crossings(soundOf('city')[0]));
  });
});
