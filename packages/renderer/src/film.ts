import { createCanvas, type Image } from '@napi-rs/canvas';
import { FPS } from './encode.ts';
import { createCamera } from './picture/camera.ts';
import { createCaption } from './picture/caption.ts';
import { applyLook } from './picture/grading.ts';
import { createGrain } from './picture/grain.ts';
import { createKeyframes } from './picture/keyframes.ts';
import { paletteFor } from './picture/palette.ts';
import type { CameraMove, Direction } from './prompt/direction.ts';
import { createRandom, hashOf, pick, type Random } from './random.ts';
import { createWeather } from './scenes/elements/weather.ts';
import { SCENES } from './scenes/registry.ts';
import type { Stage } from './scenes/scene.ts';
import type { RenderSpec } from './spec.ts';

/** The pictures of a video, drawn one after the other. */
export interface Film {
  readonly frames: number;
  /** The pixels of a frame: opaque RGBA in memory of its own, which the caller may release. */
  draw(frame: number): Buffer;
}

/** Prepares a film by painting everything that does not move. The same spec gives the same pixels. */
export function createFilm(
  spec: RenderSpec,
  direction: Direction,
  images: { readonly first: Image | undefined; readonly last: Image | undefined },
): Film {
  const { width, height, duration } = spec;
  const frames = Math.max(1, Math.round(duration * FPS));
  const random = createRandom(spec.seed ^ hashOf(spec.prompt));
  const stage: Stage = {
    width,
    height,
    unit: Math.sqrt(width * height) / 100,
    duration,
    direction,
    palette: paletteFor(direction, random),
    random,
  };
  const camera = createCamera(moveOf(spec, direction, random), duration, direction.pace);
  const scene = SCENES[direction.scene](stage);
  const weather = createWeather(stage);
  const keyFrames = createKeyframes({ width, height, duration, lastTime: (frames - 1) / FPS }, images);
  const finish = createGrain(width, height, spec.seed);
  const caption = createCaption({ width, height }, spec.prompt);
  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d', { alpha: false });

  return {
    frames,
    draw(frame) {
      const time = frame / FPS;
      scene.draw(context, time, camera(time));
      weather?.(context, time);
      applyLook(context, direction.look, width, height);
      finish(context, frame);
      keyFrames(context, time);
      caption(context, time);
      return canvas.data();
    },
  };
}

/** Camera moves that suit any scene, for prompts without one. */
const USUAL_MOVES: readonly [CameraMove, ...CameraMove[]] = ['in', 'in', 'left', 'right', 'out'];

function moveOf({ cameraFixed }: RenderSpec, { camera }: Direction, random: Random): CameraMove {
  const usual = pick(random, USUAL_MOVES);
  return cameraFixed ? 'still' : (camera ?? usual);
}
