import { describe, expect, it } from 'vitest';
import { bounded, storable, unquoted } from '../../src/tasks/text.ts';

const BOAT = '🚤';

describe('text for the store', () => {
  it('has a replacement for characters that no store accepts', () => {
    expect(storable('a\0b')).toBe('a\ufffdb');
    expect(storable(`a${BOAT.charAt(0)}b`)).toBe('a\ufffdb');
    expect(storable(`as it was ${BOAT}`)).toBe(`as it was ${BOAT}`);
  });

  it.each([
    ['shorter than the limit', 'ab', 3, 'ab'],
    ['as long as the limit', 'abc', 3, 'abc'],
    ['longer', 'abcd', 3, 'abc'],
    ['as long as the limit, with a character of two units at its end', `a${BOAT}`, 3, `a${BOAT}`],
    ['truncated after a character of two units', `a${BOAT}b`, 3, `a${BOAT}`],
    ['cut within a character of two units: without its half', `ab${BOAT}`, 3, 'ab'],
    ['truncated and cleaned', 'a\0bc', 3, 'a\ufffdb'],
    ['as long as the limit, ending in a lone surrogate', `a${BOAT.charAt(0)}`, 2, 'a\ufffd'],
    ['short, and cleaned', '\0', 3, '\ufffd'],
  ])('with a limit, %s', (_what, text, limit, kept) => {
    expect(bounded(text, limit)).toBe(kept);
  });
});

describe('text without a quotation', () => {
  const prompt = 'a "paper" boat\non the pond';

  it.each([
    ['as it is', `not allowed: ${prompt}!`, 'not allowed: [prompt]!'],
    [
      'as JSON',
      JSON.stringify({ input: prompt, status: 'failed' }),
      '{"input":"[prompt]","status":"failed"}',
    ],
    ['and breaks off', JSON.stringify({ input: prompt }).slice(0, 25), '{"input":"[prompt]'],
    ['not at all', 'the server is busy', 'the server is busy'],
  ])('quotes it %s', (_what, text, rest) => {
    expect(unquoted(text, prompt)).toBe(rest);
  });

  it('keeps what is only a short word', () => {
    expect(unquoted('a bad state', 'a')).toBe('a bad state');
  });
});
