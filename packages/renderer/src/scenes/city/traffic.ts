import type { Canvas, SKRSContext2D } from '@napi-rs/canvas';
import { wrap } from '../../easing.ts';
import { type Colour, css, darken, hex, lighten, mix } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import * as silhouettes from '../elements/silhouettes.ts';
import { figureAt } from '../elements/subjects.ts';
import type { Drawing, Point, Stage } from '../scene.ts';

interface Vehicle {
  readonly x: number;
  readonly y: number;
  /** Half its length, pixels. */
  readonly size: number;
  /** Pixels a second. Negative: to the left. */
  readonly speed: number;
  readonly colour: Colour;
}

/** Cars in both directions with their lights on, and a large one in front if the prompt names a car. */
export function createTraffic(stage: Stage, street: number): Drawing {
  const { width, unit, palette, direction, random } = stage;
  const dark = direction.light !== 'day';
  const span = width * 1.5;
  const paint = [hex('#2b3a55'), hex('#6b1f2a'), hex('#8f949c'), hex('#1d1f24'), hex('#c9a227')];
  const lane = (count: number, y: number, size: number, speed: number): Vehicle[] =>
    Array.from({ length: count }, (_, index) => ({
      x: ((index + between(random, 0.1, 0.7)) / count) * span,
      y: street + unit * y,
      size: unit * size,
      speed: unit * speed * between(random, 0.9, 1.1),
      colour: mix(
        paint[Math.floor(random() * paint.length)] ?? palette.near,
        palette.near,
        dark ? 0.45 : 0.1,
      ),
    }));
  const far = lane(4, 4.2, 3.4, -11);
  const near = lane(3, 9.6, 4.6, 14);
  const star: Vehicle[] = direction.subjects.includes('car')
    ? [
        {
          x: width * 0.12,
          y: street + unit * 11.5,
          size: unit * 8.4,
          speed: unit * 8,
          colour: palette.accent,
        },
      ]
    : [];
  const lamps: Lamps = { head: createGlow(hex('#fff1cf')), tail: createGlow(hex('#ff2a22')) };

  return (context, time) => {
    for (const car of [...far, ...near, ...star]) {
      const x = wrap(car.x + time * car.speed * direction.pace, span) - width * 0.25;
      const y = car.y + Math.sin(time * 9 + car.x) * unit * 0.04;
      drawCar(context, stage, car, { x, y }, time);
      if (dark) drawLights(context, stage, car, { x, y }, lamps);
    }
  };
}

interface Lamps {
  readonly head: Canvas;
  readonly tail: Canvas;
}

function drawCar(context: SKRSContext2D, stage: Stage, car: Vehicle, { x, y }: Point, time: number): void {
  context.fillStyle = 'rgba(0,0,0,0.4)';
  context.beginPath();
  context.ellipse(x, car.y + car.size * 0.02, car.size * 1.06, car.size * 0.1, 0, 0, Math.PI * 2);
  context.fill();
  figureAt(context, x, y, car.size, () => {
    context.scale(Math.sign(car.speed), 1);
    context.fillStyle = css(car.colour);
    silhouettes.car(context, time);
    paintDetails(context, stage, car.colour);
  });
}

/** The lamps at both ends and their light on the street. */
function drawLights(
  context: SKRSContext2D,
  { unit }: Stage,
  { y: street, size, speed }: Vehicle,
  { x, y }: Point,
  { head, tail }: Lamps,
): void {
  const ahead = Math.sign(speed);
  const front = { x: x + ahead * size * 0.97, y: y - size * 0.27 };
  const rear = { x: x - ahead * size * 0.97, y: y - size * 0.32 };
  drawGlow(context, head, front, size * 0.62, 0.9);
  drawGlow(context, head, { x: front.x + ahead * size * 0.9, y: street }, size * 1.3, 0.5, 0.16);
  drawGlow(context, tail, rear, size * 0.42, 0.95);
  drawGlow(context, tail, { x: rear.x - ahead * size * 0.3, y: street + unit * 0.4 }, size * 0.9, 0.5, 0.18);
}

function paintDetails(context: SKRSContext2D, { palette, direction }: Stage, colour: Colour): void {
  context.fillStyle =
    direction.light === 'day'
      ? 'rgba(205,228,240,0.85)'
      : css(lighten(mix(palette.haze, palette.near, 0.5), 0.08));
  context.beginPath();
  context.moveTo(-0.5, -0.48);
  context.bezierCurveTo(-0.4, -0.64, -0.32, -0.69, -0.14, -0.7);
  context.lineTo(-0.04, -0.7);
  context.lineTo(-0.04, -0.48);
  context.closePath();
  context.moveTo(0.02, -0.7);
  context.bezierCurveTo(0.18, -0.68, 0.28, -0.6, 0.4, -0.48);
  context.lineTo(0.02, -0.48);
  context.closePath();
  context.fill();
  context.fillStyle = css(darken(colour, 0.82));
  for (const x of [-0.58, 0.6]) {
    context.beginPath();
    context.arc(x, -0.14, 0.16, 0, Math.PI * 2);
    context.fill();
  }
  context.fillStyle = 'rgba(190,196,205,0.85)';
  for (const x of [-0.58, 0.6]) {
    context.beginPath();
    context.arc(x, -0.14, 0.075, 0, Math.PI * 2);
    context.fill();
  }
  context.fillStyle = css(lighten(colour, 0.35), 0.5);
  context.fillRect(-0.94, -0.38, 1.86, 0.025);
}
