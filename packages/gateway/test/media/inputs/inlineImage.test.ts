import { describe, expect, it } from 'vitest';
import {
  base64Bytes,
  decodeBase64,
  decodedPieces,
  readGivenImage,
} from '../../../src/media/inputs/inlineImage.ts';

const PARAMETERS = `data:image/png;${'x'.repeat(233)}`;

describe('the image of a request', () => {
  it.each([
    ['http://host/a.png', { kind: 'url', url: 'http://host/a.png' }],
    ['HTTPS://host/a.png', { kind: 'url', url: 'HTTPS://host/a.png' }],
    ['data:image/png;base64,AAAA', { kind: 'base64', base64: 'AAAA' }],
    ['DATA:image/png; BASE64,A,B', { kind: 'base64', base64: 'A,B' }],
    ['data:;base64,', { kind: 'base64', base64: '' }],
    [`${PARAMETERS};base64,A`, { kind: 'base64', base64: 'A' }],
    ['iVBORw0KGgo', { kind: 'base64', base64: 'iVBORw0KGgo' }],
    ['/9j/4AAQ', { kind: 'base64', base64: '/9j/4AAQ' }],
    ['+AAA', { kind: 'base64', base64: '+AAA' }],
    ['0AAA', { kind: 'base64', base64: '0AAA' }],
    // No scheme is that long.
    [`${'a'.repeat(256)}:`, { kind: 'base64', base64: `${'a'.repeat(256)}:` }],
  ])('is read: %s', (raw, given) => {
    expect(readGivenImage(raw)).toEqual(given);
  });

  it.each([
    '',
    'data:image/png,AAAA',
    'data:image/png;base64',
    'data:,base64',
    'data:image/png;base64x,AAAA',
    // No comma within the maximum length of a header.
    `${PARAMETERS}x;base64,A`,
    'xdata:image/png;base64,AAAA',
    'ftp://host/a.png',
    'file:/etc/passwd',
    'a+b-c.1:x',
    ' AAAA',
    '-AAA',
  ])('is no inline image: %j', (raw) => {
    expect(readGivenImage(raw)).toBeUndefined();
  });
});

describe('base64', () => {
  it.each([0, 1, 2, 3, 4, 5, 100])(
    'of %i bytes is decoded, and its length is known before that',
    (length) => {
      const bytes = Buffer.alloc(length, 0xfb);
      const text = bytes.toString('base64');
      expect(base64Bytes(text)).toBe(length);
      expect(decodeBase64(text)).toEqual(bytes);
    },
  );

  it.each(['AAA', 'AA', 'AAAA AAAA', 'AAAA\n', 'AA=A', 'AAA!', 'A===', 'AAAA=='])('is not %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});

describe('a large base64 text', () => {
  const bytes = Buffer.from(Array.from({ length: 2 ** 21 }, (_, index) => index % 251));
  const text = bytes.toString('base64');
  const decoded = (base64: string) => [...decodedPieces(base64, () => new Error('no base64'))];

  it('is decoded in pieces that are much smaller', () => {
    const pieces = decoded(text);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(2 ** 20);
  });

  it('is refused wherever it is not strict', () => {
    const at = 2 ** 20;
    for (const wrong of [
      `${text.slice(0, at - 4)}AA==${text.slice(at)}`,
      `${text.slice(0, at)}\n${text.slice(at)}`,
      `${text.slice(0, -4)}A`,
      `${text}=`,
    ])
      expect(() => decoded(wrong)).toThrow('no base64');
  });
});
