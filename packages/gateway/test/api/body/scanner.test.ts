import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createJsonScanner, type JsonLimits } from '../../../src/api/body/scanner.ts';

const LIMITS: JsonLimits = { bytes: 2 ** 26, plainBytes: 2 ** 20, depth: 32, values: 10_000 };
const marker = (place: number) => `marker ${place}`;

/** The scanned text, from pieces of this many bytes. */
function scan(text: string | Buffer, { pieces = 65_536, limits = LIMITS } = {}) {
  const scanner = createJsonScanner(limits);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += pieces) scanner.write(bytes.subarray(at, at + pieces));
  return scanner.end(marker);
}

/** The number of bytes of an endless body that are read before it is refused. */
function readBefore(refusal: RegExp, piece: string, first = ''): number {
  const scanner = createJsonScanner(LIMITS);
  const attempt = () => {
    scanner.write(Buffer.from(first));
    for (let count = 0; count < 100_000; count++) scanner.write(Buffer.from(piece));
  };
  expect(attempt).toThrow(refusal);
  return scanner.length;
}

describe('an expensive body is refused while it arrives:', () => {
  it('nesting', () => {
    expect(readBefore(/32 levels/, '['.repeat(1000))).toBeLessThanOrEqual(1000);
    expect(readBefore(/32 levels/, '{"a":'.repeat(1000))).toBeLessThanOrEqual(5000);
    expect(() => scan(`${'['.repeat(32)}${']'.repeat(32)}`)).not.toThrow();
  });

  it('millions of properties or elements', () => {
    let name = 0;
    const scanner = createJsonScanner(LIMITS);
    scanner.write(Buffer.from('{'));
    expect(() => {
      for (;;) scanner.write(Buffer.from(`"${name++}":0,`));
    }).toThrow(/10000 values/);
    expect(name).toBeLessThan(10_002);
    expect(readBefore(/10000 values/, '0,'.repeat(1000), '[')).toBeLessThan(21_001);
  });

  it('a megabyte besides images: white space, numbers, names, long strings', () => {
    for (const [piece, first] of [
      [' '.repeat(1000), ''],
      ['9'.repeat(1000), '['],
      ['a b '.repeat(250), '{"prompt":"'],
      ['é'.repeat(500), '{"'],
    ] as const) {
      expect(readBefore(/1 MiB beside/, piece, first)).toBeLessThan(LIMITS.plainBytes + 2000);
    }
  });

  it('more than the limit of the whole body', () => {
    const limits = { ...LIMITS, bytes: 100_000 };
    expect(() => scan(`{"image":"${'A'.repeat(100_000)}"}`, { limits })).toThrow(/larger than/);
  });
});

it.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['{"x":[{"b":1},{"b":1,"c":{},"b":2}]}', 'b'],
  ['{"":1,"":2}', ''],
  ['{"a" : 1, "a"\n: 2}', 'a'],
])('a duplicate name is refused: %s', (text, param) => {
  const attempt = () => scan(text, { pieces: 1 });
  expect(attempt).toThrow(`The field ${JSON.stringify(param)} is given twice`);
});

it.each(['{"a":{"a":1},"b":"a"}', '[{"a":1},{"a":1}]', '{"a":"a","b":"\\"a\\":"}'])(
  'the same name in another object is no duplicate: %s',
  (text) => expect(() => scan(text)).not.toThrow(),
);

it('images are taken out of the text, other long strings stay in it', () => {
  const image = `data:image/png;base64,${'iVBOR'.repeat(10_000)}`;
  const escaped = image.replaceAll('/', '\\/');
  const words = 'a paper boat, '.repeat(2000);
  const { text, media } = scan(JSON.stringify({ image, words }).replace(image, escaped), { pieces: 999 });
  expect(JSON.parse(text.toString())).toEqual({ image: marker(0), words });
  expect(media.map(String)).toEqual([escaped]);
});

it('JSON in any form and in any pieces is not changed', () => {
  const long = fc
    .tuple(fc.base64String({ minLength: 64, maxLength: 80 }), fc.integer({ min: 200, max: 400 }))
    .map(([text, times]) => text.replaceAll('=', '').repeat(times));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constant(null),
      long,
      fc.array(tie('tree'), { maxLength: 5 }),
      fc.dictionary(fc.string({ unit: 'binary', maxLength: 10 }), tie('tree'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 5000 }), (value, pieces) => {
      const original = JSON.stringify(value);
      const { text, media } = scan(original, { pieces });
      const restored = media.reduce<string>(
        (whole, bytes, place) => whole.replace(JSON.stringify(marker(place)), () => `"${bytes}"`),
        text.toString(),
      );
      expect(restored).toBe(original);
    }),
    { numRuns: 300 },
  );
});
