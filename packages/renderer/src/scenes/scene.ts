import type { SKRSContext2D } from '@napi-rs/canvas';
import type { View } from '../picture/camera.ts';
import type { Palette } from '../picture/palette.ts';
import type { Direction } from '../prompt/direction.ts';
import type { Random } from '../random.ts';

/** Everything a scene is made from. */
export interface Stage {
  /** Pixels of the frame. */
  readonly width: number;
  readonly height: number;
  /** A length that looks the same at every size and ratio: 1/100 of the geometric mean of width and height. */
  readonly unit: number;
  /** Seconds. */
  readonly duration: number;
  readonly direction: Direction;
  readonly palette: Palette;
  readonly random: Random;
}

/** A scene that is ready to draw. What does not move is painted already. */
export interface Scene {
  /** Paints the whole frame at `time` seconds of scene time. */
  draw(context: SKRSContext2D, time: number, view: View): void;
}

/** Paints what does not move and returns a scene that draws the rest. There is one for each kind of scene, listed in `registry.ts`. */
export type SceneMaker = (stage: Stage) => Scene;

/** Draws what moves, at `time` seconds of scene time. */
export type Drawing = (context: SKRSContext2D, time: number) => void;

/** A place in the frame, in pixels. */
export interface Point {
  readonly x: number;
  readonly y: number;
}
