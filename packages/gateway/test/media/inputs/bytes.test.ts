import { describe, expect, it } from 'vitest';
import { createImageSource, givenImage, imageTypeOf } from '../../../src/media/inputs/bytes.ts';
import { FetchError } from '../../../src/net/fetchError.ts';
import type { GuardedFetch } from '../../../src/net/guardedFetch.ts';

const NEVER = new AbortController().signal;
const MIB = 2 ** 20;

/** A source of images whose URLs give `status` and `bytes`, and how they were requested. */
function source(maxBytes: number, status = 200, bytes = Buffer.from('abc')) {
  const requests: Parameters<GuardedFetch>[] = [];
  const guardedFetch = (async (...given: Parameters<GuardedFetch>) => {
    requests.push(given);
    return { status, body: bytes };
  }) as unknown as GuardedFetch;
  return { requests, read: createImageSource({ guardedFetch, maxBytes }) };
}

describe('an image in the request', () => {
  it('is decoded up to the size limit', async () => {
    const { read } = source(MIB);
    const inline = (bytes: number) =>
      read({ kind: 'base64', base64: Buffer.alloc(bytes).toString('base64') }, 'image', NEVER);
    expect(await inline(MIB)).toHaveLength(MIB);
    await expect(inline(MIB + 1)).rejects.toMatchObject({
      code: 'invalid_request',
      status: 400,
      message: 'image: the image is larger than 1 MiB; send a smaller one.',
      details: { param: 'image' },
    });
  });

  it('is refused if it is not base64', async () => {
    const { read } = source(MIB);
    await expect(read({ kind: 'base64', base64: 'A' }, 'image', NEVER)).rejects.toThrow(/valid base64/);
  });

  it('is refused if it is neither a URL nor base64', () => {
    expect(() => givenImage('ftp://host/a', 'last_frame')).toThrow(/^last_frame: this is neither/);
    expect(givenImage('AAAA', 'image')).toEqual({ kind: 'base64', base64: 'AAAA' });
  });

  it('has its type by its first bytes', async () => {
    const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ', 'base64');
    expect(await imageTypeOf(png, 'image')).toBe('image/png');
    const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
    await expect(imageTypeOf(gif, 'image')).rejects.toThrow(/but image\/gif; convert it/);
    await expect(imageTypeOf(Buffer.from('text'), 'image')).rejects.toThrow(/of no known type/);
  });
});

describe('an image by URL', () => {
  const URL_GIVEN = { kind: 'url', url: 'https://host/a.png' } as const;

  it('is requested with the limits, as an image', async () => {
    const { read, requests } = source(10);
    expect(String(await read(URL_GIVEN, 'image', NEVER))).toBe('abc');
    const [[url, options] = []] = requests;
    expect(url).toBe(URL_GIVEN.url);
    expect(options).toMatchObject({
      headers: { accept: 'image/png, image/jpeg, image/webp' },
      maxBytes: 10,
      signal: NEVER,
    });
    const accepted = ['', 'image/png', 'IMAGE/X', 'application/octet-stream', 'binary/octet-stream'];
    for (const type of accepted) expect([type, options?.accept?.(type)]).toEqual([type, true]);
    for (const type of ['text/html', 'application/json', 'x-image/png'])
      expect([type, options?.accept?.(type)]).toEqual([type, false]);
  });

  it.each([200, 299])('is accepted with status %i', async (status) => {
    expect(await source(10, status).read(URL_GIVEN, 'image', NEVER)).toHaveLength(3);
  });

  it.each([199, 300, 404])('is refused with status %i', async (status) => {
    const read = source(10, status).read(URL_GIVEN, 'image', NEVER);
    await expect(read).rejects.toThrow(`image: the URL answered ${status};`);
  });

  it('fails with any other error as it is', async () => {
    const error = new Error('other');
    const read = createImageSource({ guardedFetch: () => Promise.reject(error), maxBytes: 10 });
    await expect(read(URL_GIVEN, 'image', NEVER)).rejects.toBe(error);
    expect(error).not.toBeInstanceOf(FetchError);
  });
});
