import type { SKRSContext2D } from '@napi-rs/canvas';
import { wrap } from '../../easing.ts';
import type { View } from '../../picture/camera.ts';
import { type Colour, css, darken, lighten, mix } from '../../picture/colour.ts';
import type { Direction, Subject } from '../../prompt/direction.ts';
import { between } from '../../random.ts';
import type { Drawing, Stage } from '../scene.ts';
import { atDepth } from './layer.ts';
import * as silhouettes from './silhouettes.ts';

/** Where a scene has room for the figures that a prompt names. */
export interface Places {
  /** Height of the ground at an x, in frame pixels. */
  readonly ground: (x: number) => number;
  /** Depth of that ground. */
  readonly depth: number;
  /** The height at which birds and balloons fly, in frame pixels. */
  readonly sky: number;
  /** Light on the edges of figures, for ground that is too dark for silhouettes. */
  readonly rim?: Colour;
  /** The subjects that the scene draws itself. */
  readonly own?: readonly Subject[];
}

export interface Subjects {
  /** Draws what flies, behind the foreground. */
  drawSky(context: SKRSContext2D, time: number, view: View): void;
  /** Draws what stands or walks on the ground. */
  drawGround(context: SKRSContext2D, time: number, view: View): void;
}

/** Heights in units, and how many units a second it walks. */
const ON_GROUND: Readonly<
  Partial<
    Record<Subject, { readonly size: number; readonly speed: number; readonly draw: silhouettes.Silhouette }>
  >
> = {
  tree: { size: 30, speed: 0, draw: silhouettes.tree },
  house: { size: 15, speed: 0, draw: silhouettes.house },
  lighthouse: { size: 32, speed: 0, draw: silhouettes.lighthouse },
  person: { size: 13, speed: 1.6, draw: silhouettes.person },
  horse: { size: 13, speed: 3, draw: silhouettes.horse },
  dog: { size: 8, speed: 3, draw: silhouettes.dog },
  cat: { size: 10, speed: 0, draw: silhouettes.cat },
};

/** Positions near the thirds of the frame, where the eye rests. */
const SPOTS = [0.36, 0.68, 0.22, 0.82];

/** Whether a direction names anything that needs ground to stand on. */
export const needsGround = ({ subjects }: Direction): boolean =>
  subjects.some((subject) => ON_GROUND[subject] !== undefined);

/** Places the figures of the direction in a scene. */
export function createSubjects(stage: Stage, places: Places): Subjects {
  const { width, unit, palette, direction, random } = stage;
  const ink = darken(palette.near, 0.35);
  const standing = direction.subjects
    .filter((subject) => !places.own?.includes(subject))
    .flatMap((subject) => {
      const figure = ON_GROUND[subject];
      return figure ? [{ subject, ...figure }] : [];
    })
    .slice(0, SPOTS.length)
    .map((figure, index) => ({ ...figure, x: width * (SPOTS[index] ?? 0.5), phase: random() * 6 }));
  const birds = createBirds(stage, places.sky, ink);
  const balloons = createBalloons(stage, places.sky);

  return {
    drawSky(context, time, view) {
      atDepth(context, stage, view, 0.3, () => {
        balloons(context, time);
        birds(context, time);
      });
    },

    drawGround(context, time, view) {
      atDepth(context, stage, view, places.depth, () => {
        context.fillStyle = css(ink);
        context.strokeStyle = css(ink);
        for (const { subject, x, size, speed, phase, draw } of standing) {
          const at = x + time * speed * unit * direction.pace;
          const moved = speed === 0 ? time + phase : (time + phase) * direction.pace;
          if (places.rim) {
            context.fillStyle = context.strokeStyle = css(places.rim);
            for (const side of [-1, 1]) {
              const x = at + side * unit * 0.14;
              figureAt(context, x, places.ground(at) + unit * 0.12, size * unit, () => draw(context, moved));
            }
            context.fillStyle = context.strokeStyle = css(ink);
          }
          figureAt(context, at, places.ground(at) + unit * 0.3, size * unit, () => {
            draw(context, moved);
            if (subject === 'house') paintWindows(context, stage);
          });
          if (subject === 'lighthouse')
            paintBeam(context, stage, at, places.ground(at) - size * unit * 0.86, time);
        }
      });
    },
  };
}

/** A flock in the form of a V that crosses the frame again and again, at a height in frame pixels. */
function createBirds({ width, unit, direction, random }: Stage, height: number, ink: Colour): Drawing {
  const flock = direction.subjects.includes('birds')
    ? Array.from({ length: 9 }, (_, index) => ({
        x: (index % 2 === 0 ? 1 : -1) * Math.ceil(index / 2) * unit * 4.2 - Math.ceil(index / 2) * unit * 2,
        y: Math.ceil(index / 2) * unit * 1.8 + between(random, -1, 1) * unit,
        size: unit * between(random, 2.6, 3.6),
        phase: random() * 5,
      }))
    : [];
  return (context, time) => {
    context.fillStyle = css(ink, 0.85);
    const lead = wrap(width * 0.3 + time * unit * 7 * direction.pace, width * 1.3) - width * 0.1;
    for (const { x, y, size, phase } of flock) {
      figureAt(context, lead + x, height + y + Math.sin(time * 0.8 + phase) * unit * 0.6, size, () =>
        silhouettes.bird(context, time * direction.pace + phase),
      );
    }
  };
}

/** Hot-air balloons, one near and two far. */
function createBalloons({ width, unit, palette, direction, random }: Stage, height: number): Drawing {
  const balloons = direction.subjects.includes('balloon')
    ? [0.3, 0.55, 0.8].map((part, index) => ({
        x: width * part,
        y: height + unit * between(random, -6, 14),
        size: unit * (index === 0 ? 22 : between(random, 8, 13)),
        colour: index === 0 ? palette.accent : mix(palette.accent, palette.sky[1], 0.45),
      }))
    : [];
  return (context, time) => {
    for (const { x, y, size, colour } of balloons) {
      const lift = Math.sin(time * 0.4 + x) * unit * 1.2 - time * unit * 0.5 * direction.pace;
      figureAt(context, x + time * unit * 0.7, y + lift + size * 0.5, size, () => {
        context.fillStyle = css(colour);
        context.strokeStyle = css(darken(colour, 0.5));
        silhouettes.balloon(context, time);
        context.fillStyle = css(lighten(colour, 0.45), 0.5);
        context.beginPath();
        context.ellipse(-0.06, -0.66, 0.09, 0.3, 0, 0, Math.PI * 2);
        context.fill();
      });
    }
  };
}

/** Runs `draw` with the origin at (x, y) and one unit being `size` pixels. */
export function figureAt(context: SKRSContext2D, x: number, y: number, size: number, draw: () => void): void {
  context.save();
  context.translate(x, y);
  context.scale(size, size);
  draw();
  context.restore();
}

function paintWindows(context: SKRSContext2D, { direction }: Stage): void {
  context.fillStyle = direction.light === 'day' ? 'rgba(200,225,240,0.5)' : 'rgba(255,205,120,0.95)';
  for (const x of [-0.4, -0.12]) context.fillRect(x, -0.3, 0.16, 0.18);
}

function paintBeam(
  context: SKRSContext2D,
  { unit, palette }: Stage,
  x: number,
  y: number,
  time: number,
): void {
  const turn = Math.cos(time * 0.9);
  context.save();
  context.globalCompositeOperation = 'lighter';
  const reach = unit * 90 * turn;
  const gradient = context.createLinearGradient(x, y, x + reach, y);
  gradient.addColorStop(0, css(palette.glow, 0.6));
  gradient.addColorStop(0.35, css(palette.glow, 0.2));
  gradient.addColorStop(1, css(palette.glow, 0));
  context.fillStyle = gradient;
  context.beginPath();
  context.moveTo(x, y - unit * 0.4);
  context.lineTo(x + reach, y - unit * 9);
  context.lineTo(x + reach, y + unit * 7);
  context.lineTo(x, y + unit * 0.4);
  context.fill();
  context.restore();
}
