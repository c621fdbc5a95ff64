import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { smoothstep, wrap } from '../src/easing.ts';
import { createFilm } from '../src/film.ts';
import { createCamera, OVERSCAN } from '../src/picture/camera.ts';
import { luma } from '../src/picture/colour.ts';
import { typeset } from '../src/picture/fonts.ts';
import { paletteFor } from '../src/picture/palette.ts';
import { type CameraMove, interpretPrompt } from '../src/prompt/direction.ts';
import { CAMERAS, SCENE_WORDS } from '../src/prompt/lexicon.ts';
import { createNoise, createRandom } from '../src/random.ts';
import type { RenderSpec } from '../src/spec.ts';

function film(prompt: string, changes: Partial<RenderSpec> = {}) {
  const spec: RenderSpec = {
    prompt,
    duration: 1,
    width: 160,
    height: 90,
    audio: false,
    cameraFixed: false,
    seed: 1,
    ...changes,
  };
  return createFilm(spec, interpretPrompt(prompt, spec.style), { first: undefined, last: undefined });
}

const digest = (pixels: Buffer): string => createHash('sha256').update(pixels).digest('hex');

/** The first word of each kind, and an unknown word. */
const PROMPTS = [...Object.values(SCENE_WORDS).map((words) => words.split(', ')[0] ?? ''), 'justice'];

describe('the pictures of a film', () => {
  it.each(PROMPTS)('are drawn, move and fill the frame: "%s"', (prompt) => {
    const one = film(prompt);
    const [early, late] = [one.draw(2), one.draw(one.frames - 2)];
    expect(one.frames).toBe(24);
    expect(early.length).toBe(160 * 90 * 4);
    expect(digest(early)).not.toBe(digest(late));
    expect(early.every((value, index) => index % 4 !== 3 || value === 255)).toBe(true);
    expect(new Set(early.subarray(0, 160 * 50 * 4)).size).toBeGreaterThan(12);
  });

  it('differ from prompt to prompt, seed to seed and style to style', () => {
    const frames = [
      film('justice'),
      film('mercy'),
      film('justice', { seed: 2 }),
      film('justice', { style: 'noir' }),
      ...PROMPTS.slice(0, -1).map((prompt) => film(prompt)),
    ].map((one) => digest(one.draw(12)));
    expect(new Set(frames).size).toBe(frames.length);
  });

  it('are the same for the same spec', () => {
    expect(digest(film('a city in the rain').draw(7))).toBe(digest(film('a city in the rain').draw(7)));
  });

  it('lose all colour in a black and white style', () => {
    const pixels = film('sea', { style: 'black and white' }).draw(12);
    for (let i = 0; i < pixels.length; i += 4) {
      const [r = 0, g = 0, b = 0] = pixels.subarray(i, i + 3);
      expect(Math.max(r, g, b) - Math.min(r, g, b)).toBeLessThan(6);
    }
  });
});

describe('the camera', () => {
  it('stands still if it is fixed', () => {
    const view = createCamera('still', 4, 1);
    expect(view(0)).toEqual(view(3.9));
  });

  it.each(Object.keys(CAMERAS) as CameraMove[])('never looks past the painted margins: %s', (move) => {
    for (const duration of [1, 20]) {
      const view = createCamera(move, duration, 1.8);
      for (let time = 0; time <= duration; time += 0.1) {
        expect(Math.abs(view(time).x)).toBeLessThanOrEqual(OVERSCAN);
        expect(Math.abs(view(time).y)).toBeLessThanOrEqual(OVERSCAN);
        expect(view(time).zoom).toBeGreaterThanOrEqual(1);
      }
    }
  });
});

describe('a palette', () => {
  const skyOf = (prompt: string) => paletteFor(interpretPrompt(prompt), createRandom(1)).sky[1];

  it('is darker by night than by day, and in a storm than in the sun', () => {
    expect(luma(skyOf('sea at night'))).toBeLessThan(luma(skyOf('sea at noon')));
    expect(luma(skyOf('sea at noon, storm'))).toBeLessThan(luma(skyOf('sea at noon')));
  });

  it('shifts to the first colour of the prompt and accents with the second', () => {
    const green = skyOf('green sea at noon');
    expect(green.g - green.b).toBeGreaterThan(skyOf('sea at noon').g - skyOf('sea at noon').b);
    const { accent } = paletteFor(interpretPrompt('blue sea, red sail'), createRandom(1));
    expect(accent.r).toBeGreaterThan(accent.b * 2);
  });
});

describe('the fonts', () => {
  it('are loaded only for the characters of a text', () => {
    expect(typeset('a boat').families).toBe('"onetake inter latin"');
    expect(typeset('Привет').families).toContain('cyrillic');
    expect(typeset('一只船').families).toContain('noto-sans-sc');
  });

  it('leave out characters that none of them has', () => {
    expect(typeset('a boat \u{1F6A3} sails').text).toBe('a boat sails');
  });
});

describe('seeded randomness', () => {
  it('is the same for the same seed, and between 0 and 1', () => {
    const draw = (seed: number) => Array.from({ length: 200 }, createRandom(seed));
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
    expect(draw(5).every((value) => value >= 0 && value < 1)).toBe(true);
  });

  it('makes noise without jumps', () => {
    const noise = createNoise(createRandom(3), 4);
    for (let x = 0; x < 20; x += 0.01) {
      expect(Math.abs(noise(x) - noise(x + 0.01))).toBeLessThan(0.15);
      expect(Math.abs(noise(x))).toBeLessThanOrEqual(1);
    }
  });

  it('wraps and steps as drawing needs', () => {
    expect(wrap(-1, 10)).toBe(9);
    expect(wrap(21, 10)).toBe(1);
    expect([smoothstep(2, 4, 1), smoothstep(2, 4, 3), smoothstep(2, 4, 5)]).toEqual([0, 0.5, 1]);
  });
});
