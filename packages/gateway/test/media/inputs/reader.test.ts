import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { DraftReference } from '../../../src/catalogue/validate/references.ts';
import type { DraftRequest } from '../../../src/catalogue/validate/request.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { refusedVideo } from '../../../src/media/inputs/clips.ts';
import { drawFitting } from '../../../src/media/inputs/fit.ts';
import { createInputReader, type InputReader } from '../../../src/media/inputs/reader.ts';
import type { InputRow } from '../../../src/media/inputs/rows.ts';
import { inspectImage } from '../../../src/media/inspect/image.ts';
import { probeAudio, probeVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { createGuardedFetch } from '../../../src/net/guardedFetch.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import type { OnetakeError } from '../../../src/tasks/errors.ts';
import type { VideoRequest } from '../../../src/tasks/request.ts';
import { check } from '../../catalogue/builtIn.ts';
import { START_OF_TIME } from '../../support/builders.ts';
import { readAll } from '../../support/http/readAll.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

function draw() {
  const canvas = createCanvas(40, 30);
  const context = canvas.getContext('2d');
  context.fillStyle = 'teal';
  context.fillRect(5, 5, 20, 10);
  return canvas;
}
const PNG = draw().toBuffer('image/png');
const JPEG = draw().toBuffer('image/jpeg');
const WEBP = draw().toBuffer('image/webp');
/** A complete GIF of one pixel. */
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const MAX_BYTES = 10_000;
/** It takes images of any size. */
const { model: PREVIEW } = check({});
const NEVER = new AbortController().signal;

const dataUrl = (bytes: Buffer, type = 'image/png') => `data:${type};base64,${bytes.toString('base64')}`;

async function world({ fetchAllMs }: { fetchAllMs?: number } = {}) {
  const dir = await tempFolder();
  const store = await openSqliteStore({ dir, exclusive: true });
  onTestFinished(() => store.close());
  const storage = createFileStorage({ root: join(dir, 'media') });
  const rows = new Map<string, InputRow>();
  /** Paths of the videos of finished tasks, by task. */
  const own = new Map<string, string>();
  const inputs = createInputReader({
    guardedFetch: createGuardedFetch({ allowHosts: ['127.0.0.1'], timeoutMs: 60_000 }),
    storage,
    inspectImage: (path) => inspectImage(native, path),
    drawFitting: (input) => drawFitting(native, input),
    probeVideo: (path) => probeVideo(native, path),
    probeAudio: (path) => probeAudio(native, path),
    openFile: () => Promise.reject(new Error('not reached')),
    openVideo: async (taskId, _project, field) => {
      const path = own.get(taskId);
      if (path === undefined) throw refusedVideo(field, 'names no video of your project.');
      return createReadStream(path);
    },
    store: {
      async putMedia(written) {
        for (const row of written) rows.set(row.id, row);
        await store.putMedia(written);
      },
      async removeMedia(ids) {
        for (const id of ids) rows.delete(id);
        await store.removeMedia(ids);
      },
    },
    hasLinks: false,
    clock: { now: () => START_OF_TIME },
    maxBytes: MAX_BYTES,
    ...(fetchAllMs === undefined ? {} : { fetchAllMs }),
  });
  /** Files of inputs, complete or not. */
  const files = () => readdir(join(dir, 'media', 'input')).catch(() => []);
  return { inputs, storage, store, rows, files, own };
}

const draft = (images: Partial<DraftRequest>) => ({
  model: PREVIEW,
  imageFit: 'error' as const,
  draft: {
    model: PREVIEW.id,
    prompt: 'a paper boat',
    duration: 4,
    resolution: '720p' as const,
    aspectRatio: '16:9' as const,
    width: 1280,
    height: 720,
    ...images,
  },
});

/** The error for the caller, which must be the caller's fault. */
async function refusalOf(inputs: InputReader, images: Partial<DraftRequest>): Promise<OnetakeError> {
  const error = await inputs.readAll(draft(images), 'project', NEVER).catch((error: unknown) => error);
  expect(error).toMatchObject({ name: 'OnetakeError', status: 400 });
  // It was just checked to be one.
  return error as OnetakeError;
}

/** Reference images, named as in the short form. */
const images = (...given: readonly string[]): readonly DraftReference[] =>
  given.map((one, index) => ({ type: 'image', field: `reference_images[${index}]`, from: { given: one } }));

const give =
  (body: Buffer, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(200, headers).end(body);

describe('an image', () => {
  it.each<[string, string, Buffer, string, string]>([
    ['a PNG as a data URL', dataUrl(PNG), PNG, 'image/png', 'png'],
    ['a JPEG as a data URL', dataUrl(JPEG, 'image/jpeg'), JPEG, 'image/jpeg', 'jpg'],
    ['a WebP as a data URL', dataUrl(WEBP, 'image/webp'), WEBP, 'image/webp', 'webp'],
    ['a PNG as bare base64', PNG.toString('base64'), PNG, 'image/png', 'png'],
    ['a JPEG as bare base64', JPEG.toString('base64'), JPEG, 'image/jpeg', 'jpg'],
    ['a data URL that is wrong about its type', dataUrl(JPEG, 'image/png'), JPEG, 'image/jpeg', 'jpg'],
    ['a data URL without a type', dataUrl(PNG, ''), PNG, 'image/png', 'png'],
    ['a data URL with parameters', dataUrl(PNG, 'image/png;name=a.png'), PNG, 'image/png', 'png'],
    ['a data URL in capitals', dataUrl(PNG).replace('data:', 'DATA:'), PNG, 'image/png', 'png'],
  ])('is accepted: %s', async (_what, image, bytes, contentType, extension) => {
    const { inputs, storage, store, rows } = await world();
    const { request, media } = await inputs.readAll(draft({ image }), 'project', NEVER);
    expect(request.image).toStrictEqual({
      mediaId: expect.stringMatching(/^[0-9a-f]{32}$/),
      contentType,
      bytes: bytes.length,
      width: 40,
      height: 30,
    });
    const [row] = media;
    expect(media).toHaveLength(1);
    expect(row).toMatchObject({
      id: request.image?.mediaId,
      projectId: 'project',
      kind: 'input',
      storageKey: `input/${row?.id}.${extension}`,
      contentType,
      bytes: bytes.length,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      createdAt: START_OF_TIME,
    });
    expect((await readAll(await storage.read(row?.storageKey ?? ''))).equals(bytes)).toBe(true);
    // Until the task is accepted the sweep may remove it.
    expect(await store.media(row?.id ?? '')).toMatchObject({ state: 'pending' });
    expect([...rows.values()]).toEqual(media);
  });

  it('is downloaded if it is a URL', async () => {
    const { inputs } = await world();
    const server = await serve((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: '/b' }).end();
      else response.writeHead(200, { 'content-type': 'image/png' }).end(PNG);
    });
    const image = `${server.origin}/a`;
    const { request } = await inputs.readAll(draft({ image }), 'project', NEVER);
    expect(request.image).toMatchObject({ contentType: 'image/png', width: 40, sourceUrl: image });
  });

  it.each([undefined, 'application/octet-stream', 'binary/octet-stream', 'image/jpg', 'IMAGE/PNG; q=1'])(
    'is downloaded from a host that calls it %s',
    async (type) => {
      const { inputs } = await world();
      const server = await serve(give(PNG, type === undefined ? {} : { 'content-type': type }));
      const { request } = await inputs.readAll(draft({ image: server.origin }), 'project', NEVER);
      expect(request.image?.contentType).toBe('image/png');
    },
  );

  it('is stored for each of its fields, in order', async () => {
    const { inputs, files } = await world();
    const server = await serve(give(WEBP));
    const { request, media } = await inputs.readAll(
      draft({
        seed: 7,
        image: dataUrl(PNG),
        lastFrame: dataUrl(JPEG),
        references: images(server.origin, dataUrl(PNG), dataUrl(JPEG)),
      }),
      'project',
      NEVER,
    );
    const types = (refs: VideoRequest['references']) => refs?.map(({ input }) => input.contentType);
    expect(request).toMatchObject({ seed: 7, image: { contentType: 'image/png' } });
    expect(request.lastFrame?.contentType).toBe('image/jpeg');
    expect(types(request.references)).toEqual(['image/webp', 'image/png', 'image/jpeg']);
    expect(media).toHaveLength(5);
    expect(await files()).toHaveLength(5);
  });

  it('is optional', async () => {
    const { inputs } = await world();
    const checked = draft({});
    const read = await inputs.readAll(checked, 'project', NEVER);
    expect(read).toEqual({ request: checked.draft, media: [], notes: [] });
  });
});

describe('a wrong image is refused with the field and what to do, and leaves nothing behind:', () => {
  const cutOff = PNG.subarray(0, PNG.length - 20);
  it.each<[string, string, RegExp]>([
    [
      'another scheme',
      'file:///etc/passwd',
      /neither an http or https URL nor base64; give a public URL of a PNG/,
    ],
    ['a script', 'javascript:alert(1)', /neither an http or https URL/],
    ['a path', '/etc/passwd', /base64/],
    ['nothing', '', /neither an http or https URL/],
    ['text', 'a picture of a boat', /base64/],
    ['a data URL that is no base64', 'data:image/png,%89PNG', /neither an http or https URL/],
    ['a data URL without data', 'data:image/png;base64', /neither an http or https URL/],
    ['an empty data URL', 'data:image/png;base64,', /not a PNG, JPEG or WebP/],
    ['base64 with line breaks', PNG.toString('base64').replace(/.{76}/g, '$&\n'), /without line breaks/],
    ['base64 with a character too few', PNG.toString('base64').slice(0, -1), /base64/],
    ['base64 with a stray character', `${PNG.toString('base64').slice(0, -4)}*AA=`, /base64/],
    ['base64 in base64', `${dataUrl(PNG)}${dataUrl(PNG)}`, /base64/],
    ['words in base64', Buffer.from('hello, world').toString('base64'), /not a PNG, JPEG or WebP image/],
    ['a page', dataUrl(Buffer.from('<!doctype html><p>x'), 'text/html'), /not a PNG, JPEG or WebP image/],
    ['a GIF', dataUrl(GIF, 'image/gif'), /not a PNG, JPEG or WebP image, but image\/gif/],
    ['a GIF that calls itself a PNG', dataUrl(GIF), /image\/gif/],
    ['a PNG cut off', dataUrl(cutOff), /damaged/],
    ['the first bytes of a PNG', dataUrl(PNG.subarray(0, 40)), /damaged|not a PNG/],
    ['an image over the limit', dataUrl(Buffer.alloc(MAX_BYTES + 1)), /larger than/],
    ['a URL with a password', 'http://user:password@127.0.0.1/', /without a user name/],
    ['a URL that leads inside', 'http://127.0.0.2/x.png', /no public address/],
    ['a URL to the metadata service', 'http://169.254.169.254/latest/meta-data', /no public address/],
  ])('%s', async (_what, image, message) => {
    const { inputs, rows, files } = await world();
    const error = await refusalOf(inputs, { image });
    expect(error.message).toMatch(/^image: /);
    expect(error.message).toMatch(message);
    expect(error.details.param).toBe('image');
    expect(error.message.length).toBeLessThan(300);
    expect(rows.size).toBe(0);
    expect(await files()).toEqual([]);
  });

  it.each<[string, RequestListener, RegExp]>([
    [
      'a missing page',
      (_request, response) => response.writeHead(404).end(),
      /^image: the URL answered 404; give a public URL of a PNG, JPEG or WebP image, or the image itself as a data URL\.$/,
    ],
    [
      'a page instead of an image',
      give(PNG, { 'content-type': 'text/html' }),
      /something else than an image; give/,
    ],
    [
      'a page that calls itself an image',
      give(Buffer.from('<html>'), { 'content-type': 'image/png' }),
      /PNG/,
    ],
    ['no bytes', give(Buffer.alloc(0)), /not a PNG/],
    ['too many bytes', give(Buffer.alloc(MAX_BYTES + 1)), /larger than/],
    ['a broken connection', (request) => request.socket.destroy(), /valid HTTP answer.*data URL\.$/],
  ])('a URL that returns %s', async (_what, listener, message) => {
    const { inputs, rows, files } = await world();
    const server = await serve(listener);
    const error = await refusalOf(inputs, { image: server.origin });
    expect(error.message).toMatch(message);
    expect(rows.size).toBe(0);
    expect(await files()).toEqual([]);
  });

  it('one of several: those already stored are removed, and downloads in progress are stopped', async () => {
    const { inputs, rows, files } = await world();
    const endless = await serve((_request, response) => response.write('x'));
    const error = await refusalOf(inputs, {
      image: dataUrl(PNG),
      lastFrame: dataUrl(JPEG),
      references: images(endless.origin, dataUrl(PNG), dataUrl(GIF)),
    });
    expect(error.message).toMatch(/^reference_images\[2\]: .*image\/gif/);
    expect(error.details.param).toBe('reference_images[2]');
    expect(rows.size).toBe(0);
    expect(await files()).toEqual([]);
  });
});

it('an image above the limit is refused by its length, before it is decoded', async () => {
  const { inputs } = await world();
  // It is not even base64, but the length is checked first.
  const error = await refusalOf(inputs, { image: `data:image/png;base64,${'*'.repeat(2 * MAX_BYTES)}` });
  expect(error.message).toMatch(/larger than/);
});

it('an internal failure is not blamed on the caller, and leaves nothing behind', async () => {
  const { rows, storage, files } = await world();
  const inputs = createInputReader({
    guardedFetch: createGuardedFetch(),
    storage,
    inspectImage: async () => {
      throw new Error('the decoder crashed');
    },
    drawFitting: (input) => drawFitting(native, input),
    probeVideo: () => Promise.reject(new Error('not reached')),
    probeAudio: () => Promise.reject(new Error('not reached')),
    openVideo: () => Promise.reject(new Error('not reached')),
    openFile: () => Promise.reject(new Error('not reached')),
    store: {
      putMedia: async (written) => {
        for (const row of written) rows.set(row.id, row);
      },
      removeMedia: async (ids) => {
        for (const id of ids) rows.delete(id);
      },
    },
    hasLinks: false,
    clock: { now: () => START_OF_TIME },
  });
  await expect(inputs.readAll(draft({ image: dataUrl(PNG) }), 'project', NEVER)).rejects.toThrow(
    'the decoder crashed',
  );
  expect(rows.size).toBe(0);
  expect(await files()).toEqual([]);
});

it('images of a request that was not accepted can be discarded', async () => {
  const { inputs, rows, files } = await world();
  const { media } = await inputs.readAll(
    draft({ image: dataUrl(PNG), lastFrame: dataUrl(PNG) }),
    'project',
    NEVER,
  );
  await inputs.discard(media);
  expect(rows.size).toBe(0);
  expect(await files()).toEqual([]);
});

it('slow hosts delay no inline image', async () => {
  const { inputs } = await world();
  const held: (() => void)[] = [];
  const slow = await serve((_request, response) => held.push(() => response.end(PNG)));
  let fetched = 0;
  const waiting = Array.from({ length: 20 }, async () => {
    await inputs.readAll(draft({ image: slow.origin }), 'project', NEVER);
    fetched += 1;
  });
  await inputs.readAll(draft({ image: dataUrl(PNG) }), 'project', NEVER);
  expect(fetched).toBe(0);
  const released = setInterval(() => {
    for (const release of held.splice(0)) release();
  }, 5);
  onTestFinished(() => clearInterval(released));
  await Promise.all(waiting);
});

/** A host that never responds. */
async function silentHost() {
  const asked: { closed: Promise<void> }[] = [];
  const waiting: (() => void)[] = [];
  const { origin } = await serve((request) => {
    const closed = new Promise<void>((resolve) => request.socket.once('close', resolve));
    asked.push({ closed });
    for (const tell of waiting.splice(0)) tell();
  });
  const requests = async (count: number) => {
    while (asked.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return asked;
  };
  return { origin, requests };
}

describe('images at other hosts', () => {
  it('with slow links of one project delay no other project', async () => {
    const { inputs } = await world();
    const silent = await silentHost();
    const quick = await serve((_request, response) => response.end(PNG));
    const gone = new AbortController();
    const stuck = Array.from({ length: 40 }, () =>
      inputs.readAll(draft({ image: silent.origin }), 'slow', gone.signal).catch((error) => error),
    );
    await silent.requests(4);
    const { media } = await inputs.readAll(draft({ image: quick.origin }), 'quick', NEVER);
    expect(media).toHaveLength(1);
    gone.abort(new Error('over'));
    await Promise.all(stuck);
  });

  it('are no longer downloaded for a client that has disconnected', async () => {
    const { inputs, rows, files } = await world();
    const silent = await silentHost();
    const gone = new AbortController();
    const reading = inputs.readAll(draft({ image: silent.origin }), 'project', gone.signal);
    const [request] = await silent.requests(1);
    gone.abort(new Error('the client has hung up'));
    await expect(reading).rejects.toThrow('hung up');
    await request?.closed;
    expect([rows.size, await files()]).toEqual([0, []]);
  });

  it('share one time limit, which includes the wait for a place', async () => {
    const { inputs, rows } = await world({ fetchAllMs: 100 });
    const silent = await silentHost();
    const origins = Array.from({ length: 6 }, () => silent.origin);
    const reading = inputs.readAll(draft({ references: images(...origins) }), 'project', NEVER);
    await expect(reading).rejects.toMatchObject({ status: 400, message: /within 0.1 seconds/ });
    expect(rows.size).toBe(0);
  });
});
