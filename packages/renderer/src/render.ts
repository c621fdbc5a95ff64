import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Image } from '@napi-rs/canvas';
import { createMp4 } from './encode.ts';
import { createFilm } from './film.ts';
import { interpretPrompt } from './prompt/direction.ts';
import { createSoundtrack } from './sound/soundtrack.ts';
import type { RenderSpec } from './spec.ts';

export interface RenderInput {
  readonly spec: RenderSpec;
  /** Folder of the images that the spec names. */
  readonly dir: string;
  /** Where the video is written. */
  readonly outPath: string;
}

/** The percentage reported once all frames are drawn. The rest is flushing the encoders and moving the index. */
const DRAWN = 98;

/**
 * Draws and encodes a video. The same spec gives the same bytes. It uses native libraries and keeps two cores busy, so run
 * it in a process of its own. `progress` is called with the percentage done.
 */
export async function render(
  { spec, dir, outPath }: RenderInput,
  progress: (percent: number) => void,
): Promise<void> {
  const load = (name: string | undefined): Promise<Image> | undefined =>
    name === undefined ? undefined : loadImage(join(dir, name));
  const direction = interpretPrompt(spec.prompt, spec.style);
  const film = createFilm(spec, direction, {
    first: await load(spec.firstFrame),
    last: await load(spec.lastFrame),
  });
  const sound = spec.audio ? createSoundtrack(direction, spec.duration, spec.seed) : undefined;
  const mp4 = await createMp4(outPath, spec, sound);
  // A frame is drawn while the previous one is encoded on other threads.
  let encoding = Promise.resolve();
  for (let frame = 0; frame < film.frames; frame++) {
    const pixels = film.draw(frame);
    await encoding;
    progress((DRAWN * frame) / film.frames);
    encoding = mp4.write(pixels).finally(() => release(pixels));
  }
  await encoding;
  progress(DRAWN);
  await mp4.finish();
  progress(100);
}

/**
 * Releases a frame's memory now. With the garbage collector, frames of megabytes would pile up to hundreds of megabytes, each on
 * fresh pages, and page faults would cost more than the drawing.
 */
function release(pixels: Buffer): void {
  if (pixels.buffer instanceof ArrayBuffer) pixels.buffer.transfer(0);
}

async function loadImage(path: string): Promise<Image> {
  const image = new Image();
  image.src = await readFile(path);
  await image.decode();
  return image;
}
