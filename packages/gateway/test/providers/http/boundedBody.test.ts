import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { readBounded } from '../../../src/providers/http/boundedBody.ts';

describe('an answer', () => {
  const pieces = (...lengths: number[]) => Readable.from(lengths.map((length) => Buffer.alloc(length, 'x')));

  it('is read whole up to its limit', async () => {
    expect(String(await readBounded(pieces(3, 4), 7))).toBe('x'.repeat(7));
    expect(await readBounded(pieces(), 7)).toHaveLength(0);
  });

  it('is refused above its limit, in one piece or many', async () => {
    const tooLong = { reason: 'upstream_unavailable', detail: 'an answer of more than 7 bytes' };
    await expect(readBounded(pieces(3, 5), 7)).rejects.toMatchObject(tooLong);
    await expect(readBounded(pieces(8), 7)).rejects.toMatchObject(tooLong);
  });
});
