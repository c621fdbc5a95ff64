import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { checkedStream, type ExpectedBytes } from '../../src/media/checkedStream.ts';

const PIECES = ['0123', '4567', '89'];
const SHA256 = createHash('sha256').update('0123456789').digest('hex');

/** How many bytes a reader gets of a stream, and how it ends. */
async function read(expected: ExpectedBytes, pieces = PIECES) {
  const source = Readable.from(pieces.map((piece) => Buffer.from(piece)));
  let text = '';
  try {
    for await (const piece of checkedStream(source, expected, (problem) => new Error(problem))) text += piece;
    return [text.length, 'end'];
  } catch (error) {
    return [text.length, error instanceof Error ? error.message : error];
  }
}

describe('a checked stream', () => {
  it.each<ExpectedBytes>([{}, { bytes: 10 }, { sha256: SHA256 }, { bytes: 10, sha256: SHA256 }])(
    'that is as expected ends: %j',
    async (expected) => {
      expect(await read(expected)).toEqual([10, 'end']);
    },
  );

  it('may be empty', async () => {
    expect(await read({ bytes: 0 }, [])).toEqual([0, 'end']);
    expect(await read({ bytes: 1 }, [])).toEqual([0, 'length']);
  });

  it.each<[string, ExpectedBytes, string]>([
    ['is longer', { bytes: 9, sha256: SHA256 }, 'length'],
    ['is shorter', { bytes: 11, sha256: SHA256 }, 'length'],
    ['has other bytes', { bytes: 10, sha256: 'a'.repeat(64) }, 'digest'],
  ])('that %s fails before its last piece', async (_how, expected, problem) => {
    const [bytes, end] = await read(expected);
    expect(end).toBe(problem);
    expect(bytes).toBeLessThan(10);
  });

  it('fails with the error of its source', async () => {
    const source = new Readable({ read: () => source.destroy(new Error('broke off')) });
    const checked = checkedStream(source, {}, (problem) => new Error(problem));
    await expect(checked.toArray()).rejects.toThrow('broke off');
  });
});
