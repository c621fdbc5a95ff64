import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import type { RenderInput, RenderSpec } from '@onetake/renderer';
import { afterAll, describe, expect, it } from 'vitest';
import { createCatalogue } from '../../../src/catalogue/catalogue.ts';
import { shapesOf } from '../../../src/catalogue/sizes.ts';
import { decodeFrameAt } from '../../../src/media/inspect/decodeFrame.ts';
import { probeVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { tempFolder } from '../../support/tempFolder.ts';

async function probed(path: string) {
  const verdict = await probeVideo(native, path);
  if (verdict.ok) return verdict.probe;
  throw new Error(`${verdict.problem}: ${verdict.detail}`);
}

const JOB = new URL('../../../src/providers/preview/render.job.ts', import.meta.url);

const native = createNativePool({ concurrency: 1 });
afterAll(() => native.close());

const SPEC: RenderSpec = {
  prompt: 'a sailing boat at sunset',
  duration: 1,
  width: 480,
  height: 480,
  audio: false,
  cameraFixed: false,
  seed: 1,
};

async function render(changes: Partial<RenderSpec>, dir?: string, onProgress?: (percent: number) => void) {
  const folder = dir ?? (await tempFolder());
  const outPath = join(folder, 'out.mp4');
  const input: RenderInput = { spec: { ...SPEC, ...changes }, dir: folder, outPath };
  await native.run<RenderInput, void>(JOB, input, onProgress ? { onProgress } : {});
  return outPath;
}

const preview = () => {
  const model = createCatalogue({ servers: [] }).get('onetake-preview');
  if (!model) throw new Error('the catalogue has no onetake-preview');
  return model;
};

describe('a rendered video', () => {
  it.each(shapesOf(preview()))('has the requested size: $resolution $aspectRatio', async (shape) => {
    const path = await render({ width: shape.width, height: shape.height, duration: 0.125 });
    expect(await probed(path)).toMatchObject({
      container: 'mp4',
      width: shape.width,
      height: shape.height,
      videoCodec: 'h264',
      fps: 24,
    });
  });

  it('begins with the first frame and ends with the last, with the scene in between', async () => {
    const dir = await tempFolder();
    await writeFile(join(dir, 'k.first'), picture('#ff0000'));
    await writeFile(join(dir, 'k.last'), picture('#0000ff'));
    const path = await render({ firstFrame: 'k.first', lastFrame: 'k.last', duration: 2 }, dir);
    const [start, middle, end] = [await chroma(path, 0), await chroma(path, 0.5), await chroma(path, 1)];
    expect(start).toMatchObject({ red: true, blue: false });
    expect(middle).toMatchObject({ red: false, blue: false });
    expect(end).toMatchObject({ red: false, blue: true });
  });

  it('reports progress that never goes back, up to the end', async () => {
    const told: number[] = [];
    await render({}, undefined, (percent) => told.push(percent));
    expect(told).toEqual(told.toSorted((a, b) => a - b));
    expect(told.at(-1)).toBe(100);
    expect(told.length).toBeGreaterThan(12);
  });
});

/** A wide picture of one colour, so that it must be cropped. */
function picture(colour: string): Buffer {
  const canvas = createCanvas(300, 100);
  const context = canvas.getContext('2d');
  context.fillStyle = colour;
  context.fillRect(0, 0, 300, 100);
  return canvas.toBuffer('image/png');
}

/** Whether the middle row of a frame has a pure colour, by its chroma: red has much V and little U, blue the reverse. */
async function chroma(path: string, place: number): Promise<{ red: boolean; blue: boolean }> {
  using frame = await decodeFrameAt(path, place);
  const [, u, v] = frame?.data ?? [];
  const row = frame?.linesize[1];
  if (!u || !v || row === undefined || !frame) throw new Error('no frame');
  const from = row * Math.floor(frame.height / 4);
  const mean = (plane: Buffer): number =>
    plane.subarray(from, from + frame.width / 2).reduce((sum, value) => sum + value, 0) / (frame.width / 2);
  return { red: mean(v) > 215 && mean(u) < 120, blue: mean(u) > 215 && mean(v) < 125 };
}
