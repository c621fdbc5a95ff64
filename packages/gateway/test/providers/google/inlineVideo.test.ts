import { describe, expect, it } from 'vitest';
import { inlineVideo, readOperation } from '../../../src/providers/google/inlineVideo.ts';
import { readAll } from '../../support/http/readAll.ts';

const VIDEO = Buffer.from(Array.from({ length: 257 }, (_, index) => (index * 7) % 256));

const operation = (base64: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      name: 'op "bytesBase64Encoded": "nothing"',
      done: true,
      response: { videos: [{ mimeType: 'video/mp4', bytesBase64Encoded: base64 }], raiMediaFilteredCount: 0 },
    }),
  );

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('a video inside an operation', () => {
  it('is read whole however the answer is split', async () => {
    const bytes = operation(VIDEO.toString('base64'));
    for (const size of [1, 2, 3, 5, 64, bytes.length]) {
      expect((await readAll(inlineVideo(pieces(bytes, size), 0))).equals(VIDEO), `pieces of ${size}`).toBe(
        true,
      );
    }
  });

  it('is read from any offset', async () => {
    const bytes = operation(VIDEO.toString('base64'));
    for (const offset of [1, 2, 3, 4, 100, VIDEO.length - 1, VIDEO.length]) {
      const rest = await readAll(inlineVideo(pieces(bytes, 10), offset));
      expect(rest.equals(VIDEO.subarray(offset)), `from ${offset}`).toBe(true);
    }
  });

  it('may have JSON escapes, and spaces around its colon', async () => {
    const text = operation(VIDEO.toString('base64')).toString();
    const escaped = text
      .replace(/("bytesBase64Encoded":)(")/g, '$1 \n $2')
      .replaceAll('/', '\\/')
      .replaceAll('=', '\\u003d');
    expect(escaped).toContain('\\u003d');
    for (const size of [1, 7, escaped.length]) {
      expect((await readAll(inlineVideo(pieces(Buffer.from(escaped), size), 0))).equals(VIDEO)).toBe(true);
    }
  });

  it('that breaks off is an error and not a shorter video', async () => {
    const bytes = operation(VIDEO.toString('base64'));
    const broken = bytes.subarray(0, bytes.length / 2);
    await expect(readAll(inlineVideo(pieces(broken, 50), 0))).rejects.toThrow();
    await expect(readAll(inlineVideo(pieces(Buffer.from('{"done":true}'), 50), 0))).rejects.toThrow();
  });

  it('is recognised at its first byte, and the rest is not read', async () => {
    let given = 0;
    let closed = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        yield Buffer.from('{"name":"x","done":true,"response":{"videos":[{"bytesBase64Encoded":"');
        for (;;) {
          given += 1;
          yield Buffer.alloc(1000, 'A');
        }
      } finally {
        closed = true;
      }
    }
    expect(await readOperation(endless())).toEqual({ inline: true });
    expect({ given, closed }).toEqual({ given: 1, closed: true });
  });

  it('is not found in an operation without one, which is returned unchanged', async () => {
    for (const value of [
      { name: 'é "x\\" bytesBase64Encoded', done: false },
      { bytesBase64Encoded: '' },
      { encodedVideo: null },
    ]) {
      for (const size of [1, 1000]) {
        const read = await readOperation(pieces(Buffer.from(JSON.stringify(value)), size));
        if (read.inline) throw new Error('a video');
        expect(JSON.parse(read.text)).toEqual(value);
      }
    }
  });

  it('does not stop the size limit of an endless answer', async () => {
    async function* endless(): AsyncGenerator<Buffer> {
      for (;;) yield Buffer.alloc(2 ** 20, ' ');
    }
    await expect(readOperation(endless())).rejects.toMatchObject({ reason: 'upstream_unavailable' });
  });
});
