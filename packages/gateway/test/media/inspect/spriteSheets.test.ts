import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { afterAll, describe, expect, it } from 'vitest';
import { createSpriteSheets } from '../../../src/media/inspect/spriteSheets.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { makeVideo, type VideoOptions } from '../../support/makeVideo.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

/** Sheets of a video in a folder, and how often they were made. */
async function sheetsOf(options: VideoOptions) {
  const path = join(await tempFolder(), 'video');
  await makeVideo(path, options);
  let made = 0;
  const sheets = createSpriteSheets({
    native,
    storage: {
      withLocalFile: (_key, use) => {
        made += 1;
        return use(path);
      },
    },
  });
  const of = (tenant = 'one', signal = new AbortController().signal, storageKey = 'video/a.mp4') =>
    sheets({ storageKey }, tenant, signal);
  return { path, of, made: () => made };
}

/** The grey values in the middles of the cells. */
async function greysOf(sheet: Buffer, columns: number, rows: number): Promise<number[]> {
  const image = await loadImage(sheet);
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  const [width, height] = [image.width / columns, image.height / rows];
  return Array.from({ length: columns * rows }, (_, cell) => {
    const x = (cell % columns) * width + width / 2;
    const y = Math.floor(cell / columns) * height + height / 2;
    return context.getImageData(x, y, 1, 1).data[0] ?? 0;
  });
}

describe('a sprite sheet', () => {
  it('has twenty frames of the whole video, in its order, as one JPEG', async () => {
    // It grows brighter from second to second.
    const sheets = await sheetsOf({ seconds: 4, fps: 10, luma: (second) => 40 + Math.floor(second) * 45 });
    const sheet = await sheets.of();
    expect(sheet.toString('hex', 0, 3)).toBe('ffd8ff');
    const image = await loadImage(sheet);
    expect([image.width, image.height]).toEqual([5 * 64, 4 * 48]);
    const greys = await greysOf(sheet, 5, 4);
    const rows = [0, 5, 10, 15].map((from) => greys.slice(from, from + 5));
    for (const row of rows) expect(Math.max(...row) - Math.min(...row)).toBeLessThan(12);
    const [first = 0, second = 0, third = 0, fourth = 0] = rows.map(([grey]) => grey);
    expect(second - first).toBeGreaterThan(30);
    expect(third - second).toBeGreaterThan(30);
    expect(fourth - third).toBeGreaterThan(30);
  });

  it('of a large video has frames of 320 pixels, and repeats those of a short one', async () => {
    const sheets = await sheetsOf({ width: 640, height: 360, seconds: 1, fps: 2 });
    const image = await loadImage(await sheets.of());
    expect([image.width, image.height]).toEqual([5 * 320, 4 * 180]);
  });

  it('is made once for all who ask at the same time or later', async () => {
    const sheets = await sheetsOf({});
    const [one, two] = await Promise.all([sheets.of(), sheets.of()]);
    expect(one).toBe(two);
    expect(await sheets.of()).toBe(one);
    expect(sheets.made()).toBe(1);
  });

  it('that cannot be made is tried again', async () => {
    const sheets = await sheetsOf({});
    await writeFile(sheets.path, 'no video');
    await expect(sheets.of()).rejects.toThrow('no frame');
    await makeVideo(sheets.path, {});
    await expect(sheets.of()).resolves.toBeInstanceOf(Buffer);
    expect(sheets.made()).toBe(2);
  });

  it('of one tenant is not delayed by the many of another, nor made if nobody waits for it any more', async () => {
    const sheets = await sheetsOf({});
    const order: string[] = [];
    const ask = (tenant: string, video: string, signal?: AbortSignal) =>
      sheets.of(tenant, signal, video).then(() => order.push(video));
    const gone = new AbortController();
    const many = ['a1', 'a2', 'a3'].map((video) => ask('a', video));
    const left = ask('a', 'a4', gone.signal);
    const other = ask('b', 'b1');
    gone.abort(new Error('the client has disconnected'));
    await expect(left).rejects.toThrow('disconnected');
    await Promise.all([...many, other]);
    expect(order).toEqual(['a1', 'a2', 'b1', 'a3']);
    expect(sheets.made()).toBe(4);
  });
});
