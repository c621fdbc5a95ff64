import { describe, expect, it } from 'vitest';
import { direct } from '../src/prompt/direction.ts';

describe('a prompt read as a direction', () => {
  it.each([
    ['neon streets of Tokyo', 'city'],
    ['waves on the ocean', 'sea'],
    ['mountains in the mist', 'mountains'],
    ['dunes of the Sahara', 'desert'],
    ['a spiral galaxy', 'space'],
    ['northern aurora', 'snow'],
    ['a field of sunflowers', 'meadow'],
    ['campfire sparks', 'fire'],
    ['a coral reef', 'underwater'],
    ['justice', 'abstract'],
    ['', 'abstract'],
  ])('"%s" plays in: %s', (prompt, kind) => {
    expect(direct(prompt).kind).toBe(kind);
  });

  it.each([
    ['雨夜的城市街道', { kind: 'city', weather: 'rain', light: 'night' }],
    ['黄昏的大海，一艘船', { kind: 'sea', light: 'dusk', subjects: ['boat'] }],
    ['雪山日出', { weather: 'snow', light: 'dawn' }],
    ['火箭飞向太空', { kind: 'space', subjects: ['rocket'] }],
    ['上海的马路', { kind: 'city', subjects: [] }],
    ['黑白的城市', { kind: 'city', look: 'noir' }],
  ])('Chinese is understood: %s', (prompt, expected) => {
    expect(direct(prompt)).toMatchObject(expected);
  });

  it('a subject brings its place along where none is named', () => {
    expect(direct('a paper boat').kind).toBe('sea');
    expect(direct('a volcano').kind).toBe('fire');
    expect(direct('a whale').kind).toBe('underwater');
    expect(direct('a whale above the desert').kind).toBe('desert');
  });

  it('the place named by most words wins', () => {
    expect(direct('a city by the sea, with beach, waves and surf').kind).toBe('sea');
  });

  it('words count as a whole, in any case, with their plurals', () => {
    expect(direct('CATS!').subjects).toEqual(['cat']);
    expect(direct('a catalogue of scars').subjects).toEqual([]);
    expect(direct('skinny foxes').subjects).toEqual(['dog']);
  });

  it('subjects and colours come in the order of the prompt', () => {
    expect(direct('a dog, a cat and a horse').subjects).toEqual(['dog', 'cat', 'horse']);
    expect(direct('blue and then red').colours).toEqual(['blue', 'red']);
  });

  it('camera, pace and light are taken from their words', () => {
    expect(direct('slow zoom in on a lake at dawn')).toMatchObject({
      camera: 'in',
      pace: 0.6,
      light: 'dawn',
    });
    expect(direct('fast pan left')).toMatchObject({ camera: 'left', pace: 1.8 });
    expect(direct('a lake')).toMatchObject({ camera: undefined, pace: 1 });
  });

  it('a style is read with the prompt', () => {
    expect(direct('a street').look).toBe('natural');
    expect(direct('a street', 'vintage').look).toBe('vintage');
  });
});
