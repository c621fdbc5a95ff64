import { describe, expect, it } from 'vitest';
import { interpretPrompt } from '../src/prompt/direction.ts';

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
  ])('"%s" plays in: %s', (prompt, scene) => {
    expect(interpretPrompt(prompt).scene).toBe(scene);
  });

  it.each([
    ['雨夜的城市街道', { scene: 'city', weather: 'rain', light: 'night' }],
    ['黄昏的大海，一艘船', { scene: 'sea', light: 'dusk', subjects: ['boat'] }],
    ['雪山日出', { weather: 'snow', light: 'dawn' }],
    ['火箭飞向太空', { scene: 'space', subjects: ['rocket'] }],
    ['上海的马路', { scene: 'city', subjects: [] }],
    ['黑白的城市', { scene: 'city', look: 'noir' }],
  ])('Chinese is understood: %s', (prompt, expected) => {
    expect(interpretPrompt(prompt)).toMatchObject(expected);
  });

  it('a subject implies its place if none is named', () => {
    expect(interpretPrompt('a paper boat').scene).toBe('sea');
    expect(interpretPrompt('a volcano').scene).toBe('fire');
    expect(interpretPrompt('a whale').scene).toBe('underwater');
    expect(interpretPrompt('a whale above the desert').scene).toBe('desert');
  });

  it('the place named by most words wins', () => {
    expect(interpretPrompt('a city by the sea, with beach, waves and surf').scene).toBe('sea');
  });

  it('words count as a whole, in any case, with their plurals', () => {
    expect(interpretPrompt('CATS!').subjects).toEqual(['cat']);
    expect(interpretPrompt('a catalogue of scars').subjects).toEqual([]);
    expect(interpretPrompt('skinny foxes').subjects).toEqual(['dog']);
  });

  it('subjects and colours come in the order of the prompt', () => {
    expect(interpretPrompt('a dog, a cat and a horse').subjects).toEqual(['dog', 'cat', 'horse']);
    expect(interpretPrompt('blue and then red').colours).toEqual(['blue', 'red']);
  });

  it('camera, pace and light are taken from their words', () => {
    expect(interpretPrompt('slow zoom in on a lake at dawn')).toMatchObject({
      camera: 'in',
      pace: 0.6,
      light: 'dawn',
    });
    expect(interpretPrompt('fast pan left')).toMatchObject({ camera: 'left', pace: 1.8 });
    expect(interpretPrompt('a lake')).toMatchObject({ camera: undefined, pace: 1 });
  });

  it('a style is read with the prompt', () => {
    expect(interpretPrompt('a street').look).toBe('natural');
    expect(interpretPrompt('a street', 'vintage').look).toBe('vintage');
  });
});
