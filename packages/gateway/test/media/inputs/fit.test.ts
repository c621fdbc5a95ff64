import { randomFillSync } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Canvas, createCanvas, loadImage, type SKRSContext2D } from '@napi-rs/canvas';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import { drawFitting, fitted } from '../../../src/media/inputs/fit.ts';
import { createInputReader, type ReadInputs } from '../../../src/media/inputs/reader.ts';
import { inspectImage } from '../../../src/media/inspect/image.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { createGuardedFetch } from '../../../src/net/guardedFetch.ts';
import { openSqliteStore } from '../../../src/store/sqlite/store.ts';
import { check } from '../../catalogue/builtIn.ts';
import { readAll } from '../../support/http/readAll.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

/** A canvas with a green middle half. The rest is blue. */
function draw(width: number, height: number, paint?: (context: SKRSContext2D) => void): Canvas {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  context.fillStyle = 'blue';
  context.fillRect(0, 0, width, height);
  context.fillStyle = 'lime';
  context.fillRect(width / 4, height / 4, width / 2, height / 2);
  paint?.(context);
  return canvas;
}

const png = (width: number, height: number) => draw(width, height).toBuffer('image/png');
const dataUrl = (bytes: Buffer) => `data:image/png;base64,${bytes.toString('base64')}`;

async function world({ hasLinks = false } = {}) {
  const dir = await tempFolder();
  const store = await openSqliteStore({ dir, exclusive: true });
  onTestFinished(() => store.close());
  const storage = createFileStorage({ root: join(dir, 'media') });
  const inputs = createInputReader({
    guardedFetch: createGuardedFetch({ allowHosts: ['127.0.0.1'] }),
    storage,
    inspectImage: (path) => inspectImage(native, path),
    drawFitting: (input) => drawFitting(native, input),
    probeVideo: () => Promise.reject(new Error('not reached')),
    probeAudio: () => Promise.reject(new Error('not reached')),
    openVideo: () => Promise.reject(new Error('not reached')),
    openFile: () => Promise.reject(new Error('not reached')),
    store,
    hasLinks,
    clock: { now: () => 0 },
  });
  const read = (body: Record<string, unknown>) =>
    inputs.readAll(check(body), 'project', new AbortController().signal);
  const files = () => readdir(join(dir, 'media', 'input')).catch(() => []);
  /** The stored image as pixels, beside its row. */
  async function stored({ media }: ReadInputs, index = 0) {
    const row = media[index];
    if (!row) throw new Error('nothing was stored');
    const bytes = await readAll(await storage.read(row.storageKey));
    const image = await loadImage(bytes);
    const canvas = createCanvas(image.width, image.height);
    canvas.getContext('2d').drawImage(image, 0, 0);
    const colourAt = (x: number, y: number): string => {
      const [red = 0, green = 0, blue = 0, alpha] = canvas.getContext('2d').getImageData(x, y, 1, 1).data;
      const name = green > 150 ? 'lime' : blue > 150 ? 'blue' : red + green + blue < 60 ? 'black' : 'other';
      return alpha === 255 ? name : 'transparent';
    };
    return { row, bytes, colourAt, width: image.width, height: image.height };
  }
  return { read, stored, files };
}

async function refusal(reading: Promise<unknown>): Promise<string> {
  const error: unknown = await reading.then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'OnetakeError', status: 400 });
  // It was just checked to be one.
  return (error as Error).message;
}

describe('an image that the upstream would refuse', () => {
  it('is refused, with what it is, what is needed and what can be done', async () => {
    const { read, files } = await world();
    const image = png(640, 480);
    const size = `${Math.ceil(image.length / 1000)} kB`;
    expect(await refusal(read({ model: 'sora-2', image: dataUrl(image) }))).toBe(
      `image: sora-2 needs exactly 1280x720 pixels, and this is a PNG of 640x480 pixels and ${size}; send another, or let it be fitted by image_fit "cover", which may cut off its edges, or "contain", which may add bars.`,
    );
    expect(await files()).toEqual([]);
  });

  it.each<[string, Record<string, unknown>, Buffer, RegExp]>([
    [
      'too small',
      { model: 'wan2.6-i2v' },
      png(300, 400),
      /^image: wan2\.6-i2v needs sides of 360 to 2000 pixels, and/,
    ],
    ['too large', { model: 'wan2.6-i2v' }, png(2001, 400), /needs sides of 360 to 2000 pixels/],
    [
      'too wide',
      { model: 'seedance-2.0' },
      png(2600, 1000),
      /needs a ratio of width to height of 0\.4 to 2\.5/,
    ],
    [
      'in a wrong format',
      { model: 'kling-v3' },
      draw(400, 400).toBuffer('image/webp'),
      /needs JPEG or PNG, and this is a WebP/,
    ],
    [
      'transparent',
      { model: 'wan3.0-video' },
      draw(400, 400, (context) => context.clearRect(0, 0, 9, 9)).toBuffer('image/png'),
      /needs no transparency, and this is a transparent PNG/,
    ],
    [
      'too many bytes',
      { model: 'runway-gen4.5' },
      noise(1000, 1000),
      /needs at most 3\.3 MB, and this is a PNG of 1000x1000 pixels and 3\.5 MB/,
    ],
  ])('because it is %s', async (_what, body, image, message) => {
    const { read, files } = await world();
    expect(await refusal(read({ ...body, image: dataUrl(image) }))).toMatch(message);
    expect(await files()).toEqual([]);
  });

  it('is named by its field if it is one of several', async () => {
    const { read, files } = await world();
    const images = { image: dataUrl(png(400, 400)), last_frame: dataUrl(png(300, 300)) };
    expect(
      await refusal(read({ model: 'wan2.7-i2v', ...images, last_frame: dataUrl(png(200, 300)) })),
    ).toMatch(/^last_frame: wan2\.7-i2v needs sides of 240 to 8000/);
    const references = { reference_images: [dataUrl(png(400, 400)), dataUrl(png(299, 400))] };
    expect(await refusal(read({ model: 'seedance-2.0', ...references }))).toMatch(/^reference_images\[1\]: /);
    const listed = references.reference_images.map((data) => ({ type: 'image', data }));
    expect(await refusal(read({ model: 'seedance-2.0', references: listed }))).toMatch(/^references\[1\]: /);
    expect(await files()).toEqual([]);
  });

  it('is not, if it is opaque although its format could be transparent', async () => {
    const { read } = await world();
    await read({ model: 'wan3.0-video', image: dataUrl(png(400, 400)) });
  });
});

/** A PNG that cannot be compressed. */
function noise(width: number, height: number): Buffer {
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(width, height);
  randomFillSync(pixels.data);
  for (let alpha = 3; alpha < pixels.data.length; alpha += 4) pixels.data[alpha] = 255;
  context.putImageData(pixels, 0, 0);
  return canvas.toBuffer('image/png');
}

it('an image that was fitted and still breaks a limit is refused without the advice to let it be fitted', async () => {
  const rule = {
    name: 'image',
    model: 'm',
    demand: { maxSide: 10 },
    fit: 'error',
    drawnBy: 'cover',
  } as const;
  const image = { format: 'jpeg', width: 20, height: 20, bytes: 1000 } as const;
  const parts = { draw: () => Promise.reject(new Error('not reached')), maxBytes: 1, hasLinks: false };
  expect(await refusal(fitted(rule, 'nowhere', image, parts))).toBe(
    'image: m needs sides of at most 10 pixels, and image_fit "cover" made a JPEG of 20x20 pixels and 1 kB; send another.',
  );
});

describe('with image_fit', () => {
  it('`cover`, it is cut to the size of the video, stored and sent like that, and the notes say so', async () => {
    const { read, stored, files } = await world();
    const made = await read({ model: 'sora-2', image: dataUrl(png(720, 720)), image_fit: 'cover' });
    const { row, bytes, colourAt, ...size } = await stored(made);
    expect(size).toMatchObject({ width: 1280, height: 720 });
    expect(made.request.image).toEqual({
      mediaId: row.id,
      contentType: 'image/png',
      bytes: bytes.length,
      width: 1280,
      height: 720,
    });
    expect(row).toMatchObject({ bytes: bytes.length, contentType: 'image/png' });
    // The full width is there, and so much of the height that the upper blue quarter is 40 pixels high.
    expect([colourAt(10, 360), colourAt(640, 20), colourAt(640, 60)]).toEqual(['blue', 'blue', 'lime']);
    expect(made.notes).toEqual([
      expect.stringMatching(
        /^image was fitted by cover: a PNG of 720x720 pixels and \d+ kB became a PNG of 1280x720 pixels and \d+ kB, cut at its top and bottom\.$/,
      ),
    ]);
    expect(await files()).toHaveLength(1);
  });

  it('`contain`, it is shown whole between black bars', async () => {
    const { read, stored } = await world();
    const made = await read({ model: 'sora-2', image: dataUrl(png(720, 720)), image_fit: 'contain' });
    const { colourAt } = await stored(made);
    expect([colourAt(10, 360), colourAt(290, 360), colourAt(640, 360), colourAt(640, 10)]).toEqual([
      'black',
      'blue',
      'lime',
      'blue',
    ]);
    expect(made.notes[0]).toMatch(/with black bars at its left and right\.$/);
  });

  it('each image of a request is fitted that needs it, and no other is touched', async () => {
    const { read, stored } = await world();
    const good = png(400, 400);
    const made = await read({
      model: 'wan2.7-i2v',
      image: dataUrl(good),
      last_frame: dataUrl(png(4000, 100)),
      image_fit: 'cover',
    });
    expect((await stored(made)).bytes.equals(good)).toBe(true);
    expect(made.request.lastFrame).toMatchObject({ height: 240 });
    expect(made.notes).toEqual([
      'image is sent as given: it fits wan2.7-i2v.',
      expect.stringMatching(/^last_frame was fitted by cover: .*, cut at its left and right\.$/),
    ]);
  });

  it('another format is made of it, in black where it was transparent', async () => {
    const { read, stored } = await world();
    const webp = draw(400, 400, (context) => context.clearRect(0, 0, 99, 99)).toBuffer('image/webp', 100);
    const made = await read({ model: 'kling-v3', image: dataUrl(webp), image_fit: 'contain' });
    const { row, colourAt } = await stored(made);
    expect(row).toMatchObject({ contentType: 'image/jpeg', storageKey: expect.stringMatching(/\.jpg$/) });
    expect([colourAt(40, 40), colourAt(200, 200)]).toEqual(['black', 'lime']);
  });

  it('it is made small enough, at the highest quality that allows it', async () => {
    const { read, stored } = await world();
    const made = await read({
      model: 'runway-gen4.5',
      image: dataUrl(noise(1600, 1200)),
      image_fit: 'cover',
    });
    const { row } = await stored(made);
    expect(row).toMatchObject({ contentType: 'image/jpeg' });
    expect(row.bytes).toBeLessThanOrEqual(3_300_000);
    expect(row.bytes).toBeGreaterThan(500_000);
  });

  it('one from a URL is sent as bytes, because what is at the URL is another image', async () => {
    const { read } = await world();
    const { origin } = await serve((_request, response) => response.end(png(640, 480)));
    const fitted = await read({ model: 'sora-2', image: origin, image_fit: 'cover' });
    expect(fitted.request.image).not.toHaveProperty('sourceUrl');
    const asGiven = await read({ model: 'sora-2', size: '1280x720', image: origin, image_fit: 'contain' });
    expect(asGiven.request.image).not.toHaveProperty('sourceUrl');
  });

  it('nothing can be done for a model that fetches the image itself', async () => {
    const { read, files } = await world();
    const { origin } = await serve((_request, response) => response.end(png(200, 400)));
    const body = { model: 'dashscope-kling-v3', image_fit: 'cover' };
    expect(await refusal(read({ ...body, image: origin }))).toMatch(
      /needs sides of 300 to 8000 pixels, and this is .*; give the URL of another, because the provider fetches it there\.$/,
    );
    expect(await refusal(read({ ...body, image: dataUrl(png(400, 400)) }))).toMatch(
      /takes it only by a public https URL, because the provider fetches it\. \(With ONETAKE_PUBLIC_URL set, /,
    );
    expect(await files()).toEqual([]);
  });

  it('is fitted, or taken as data, for a model that can fetch it from the gateway', async () => {
    const { read, stored } = await world({ hasLinks: true });
    const { origin } = await serve((_request, response) => response.end(png(200, 400)));
    const body = { model: 'dashscope-kling-v3', image_fit: 'cover' };
    const made = await read({ ...body, image: origin });
    expect((await stored(made)).width).toBeGreaterThanOrEqual(300);
    // What is behind the caller's link is not what was drawn.
    expect(made.request.image).not.toHaveProperty('sourceUrl');
    const asGiven = await read({ model: 'dashscope-kling-v3', image: dataUrl(png(400, 400)) });
    expect(asGiven.request.image).toMatchObject({ width: 400 });
  });

  it('a thin line is not blown up', async () => {
    const { read } = await world();
    const made = await read({
      model: 'happyhorse-1.1-i2v',
      image: dataUrl(png(9000, 2)),
      image_fit: 'contain',
    });
    expect(made.request.image?.width).toBeLessThan(10_000);
  });
});
