import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { base64Length, base64Of } from '../../../src/api/http/base64.ts';

/** The pieces of an encoding, copied before the next one overwrites them. */
async function encoded(pieces: readonly Buffer[]): Promise<string[]> {
  const out: string[] = [];
  for await (const piece of base64Of(arrivingIn(pieces))) out.push(piece.toString());
  return out;
}

/** Each piece is overwritten once the next one is asked for, as those of files are. */
async function* arrivingIn(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  const buffer = Buffer.alloc(Math.max(1, ...pieces.map(({ length }) => length)));
  for (const piece of pieces) {
    piece.copy(buffer);
    yield buffer.subarray(0, piece.length);
    buffer.fill('x');
  }
}

const lengths = fc.array(
  fc.oneof(fc.nat(7), fc.integer({ min: 49_150, max: 49_155 }), fc.integer({ min: 196_606, max: 262_146 })),
  { maxLength: 12 },
);

it('encodes bytes that come in any pieces', async () => {
  await fc.assert(
    fc.asyncProperty(lengths, async (given) => {
      const pieces = given.map((length) => randomBytes(length));
      const text = (await encoded(pieces)).join('');
      const whole = Buffer.concat(pieces);
      expect(text === whole.toString('base64')).toBe(true);
      expect(text).toHaveLength(base64Length(whole.length));
    }),
    { numRuns: 50 },
  );
});

it('writes few pieces, however small those are that come', async () => {
  const pieces = Array.from({ length: 10_000 }, () => randomBytes(50));
  expect((await encoded(pieces)).length).toBeLessThanOrEqual(4);
});
