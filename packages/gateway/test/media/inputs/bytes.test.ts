import { PassThrough, Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  createImageSource,
  givenImage,
  imageTypeOf,
  type OpenFile,
} from '../../../src/media/inputs/bytes.ts';
import { FetchError } from '../../../src/net/fetchError.ts';
import type { GuardedFetch } from '../../../src/net/guardedFetch.ts';

const NEVER = new AbortController().signal;
const MIB = 2 ** 20;
const IMAGE = { name: 'image', projectId: 'project' };

/** An uploaded file by its content type and length: `file-image/png-10`. */
const openFile: OpenFile = async (id, projectId, field) => {
  const [, contentType = '', bytes = ''] = id.split('-');
  if (projectId !== 'project') throw new Error(`${field}: there is no file`);
  return {
    contentType,
    bytes: Number(bytes),
    read: async () => Readable.from([Buffer.alloc(Number(bytes), 1)]),
  };
};

/** A source of images whose URLs give `status` and `bytes`, and how they were requested. */
function source(maxBytes: number, status = 200, bytes = Buffer.from('abc')) {
  const requests: Parameters<GuardedFetch>[] = [];
  const guardedFetch = (async (...given: Parameters<GuardedFetch>) => {
    requests.push(given);
    return { status, body: bytes };
  }) as unknown as GuardedFetch;
  return { requests, read: createImageSource({ guardedFetch, openFile, maxBytes }) };
}

describe('an image in the request', () => {
  it('is decoded up to the size limit', async () => {
    const { read } = source(MIB);
    const inline = (bytes: number) =>
      read({ kind: 'base64', base64: Buffer.alloc(bytes).toString('base64') }, IMAGE, NEVER);
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
    await expect(read({ kind: 'base64', base64: 'A' }, IMAGE, NEVER)).rejects.toThrow(/valid base64/);
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

describe('an image by the id of a file', () => {
  const given = (type: string, bytes: number) => ({ kind: 'file', id: `file-${type}-${bytes}` }) as const;

  it('is read up to the size limit', async () => {
    const { read } = source(10);
    expect(await read(given('image/png', 10), IMAGE, NEVER)).toEqual(Buffer.alloc(10, 1));
    await expect(read(given('image/png', 11), IMAGE, NEVER)).rejects.toThrow(
      'image: the image is larger than',
    );
  });

  it('is refused before it is read if it is no image', async () => {
    const refusal = source(10).read(given('video/mp4', 1000), IMAGE, NEVER);
    await expect(refusal).rejects.toThrow(
      'image: the file is video/mp4, and not an image; give the id of another.',
    );
  });

  it('is looked for in the project', async () => {
    const other = { ...IMAGE, projectId: 'another' };
    await expect(source(10).read(given('image/png', 1), other, NEVER)).rejects.toThrow(
      'image: there is no file',
    );
  });

  it('is given up with its request, even if its storage hangs', async () => {
    const hanging = new PassThrough();
    const read = createImageSource({
      guardedFetch: () => Promise.reject(new Error('not reached')),
      openFile: async () => ({ contentType: 'image/png', bytes: 1, read: async () => hanging }),
      maxBytes: 10,
    });
    const asker = new AbortController();
    const reading = read(given('image/png', 1), IMAGE, asker.signal);
    const gone = new Error('gone');
    asker.abort(gone);
    await expect(reading).rejects.toBe(gone);
    expect(hanging.destroyed).toBe(true);
  });
});

describe('an image by URL', () => {
  const URL_GIVEN = { kind: 'url', url: 'https://host/a.png' } as const;

  it('is requested with the limits, as an image', async () => {
    const { read, requests } = source(10);
    expect(String(await read(URL_GIVEN, IMAGE, NEVER))).toBe('abc');
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
    expect(await source(10, status).read(URL_GIVEN, IMAGE, NEVER)).toHaveLength(3);
  });

  it.each([199, 300, 404])('is refused with status %i', async (status) => {
    const read = source(10, status).read(URL_GIVEN, IMAGE, NEVER);
    await expect(read).rejects.toThrow(`image: the URL answered ${status};`);
  });

  it('fails with any other error as it is', async () => {
    const error = new Error('other');
    const read = createImageSource({ guardedFetch: () => Promise.reject(error), openFile, maxBytes: 10 });
    await expect(read(URL_GIVEN, IMAGE, NEVER)).rejects.toBe(error);
    expect(error).not.toBeInstanceOf(FetchError);
  });
});
