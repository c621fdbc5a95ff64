import type { SKRSContext2D } from '@napi-rs/canvas';
import { type Colour, css, darken, hex, mix } from '../../picture/colour.ts';
import { between, pick, type Random } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import { hazed } from '../elements/land.ts';
import { type Layer, marginX, paintBand } from '../elements/layer.ts';
import type { Stage } from '../scene.ts';

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Rows of towers down to the street, the farthest first. */
export interface Buildings {
  readonly layers: readonly Layer[];
  /** Tops of the highest towers of the middle row. */
  readonly summits: readonly Point[];
  /** Windows of the middle row that switch on and off. */
  twinkle(context: SKRSContext2D, time: number): void;
  /** Signs on the nearest row. */
  drawSigns(context: SKRSContext2D, time: number): void;
}

/** From far to near: depth, haze, width of a tower in units, height as a part of the street's, size of a window in units. */
const ROWS = [
  { depth: 0.12, haze: 0.72, width: [3, 7], height: [0.28, 0.66], window: 0.42 },
  { depth: 0.28, haze: 0.36, width: [6, 11], height: [0.36, 0.84], window: 0.66 },
  { depth: 0.72, haze: 0.06, width: [7, 15], height: [0.12, 0.44], window: 1.05 },
] as const;

const WARM: readonly [Colour, ...Colour[]] = [hex('#ffd596'), hex('#ffe7bd'), hex('#ffc06a'), hex('#cfe6ff')];
const NEON: readonly [Colour, ...Colour[]] = [
  hex('#ff3d81'),
  hex('#29e0ff'),
  hex('#ffb02e'),
  hex('#9d5bff'),
  hex('#39f0a0'),
];

export function createBuildings(stage: Stage, street: number): Buildings {
  const { width, unit, direction, random } = stage;
  const summits: Point[] = [];
  const windows: Point[] = [];
  const signs: Sign[] = [];
  const lit = direction.light === 'day' ? 0.03 : direction.light === 'dawn' ? 0.22 : 0.46;
  const layers = ROWS.map((row, index) =>
    paintBand(stage, row.depth, { top: 0, bottom: street }, (context) => {
      const wall = mix(hazed(stage, row.haze), darken(stage.palette.near, 0.2), 0.1);
      for (let x = -marginX(stage); x < width + marginX(stage); ) {
        const across = unit * between(random, row.width[0], row.width[1]);
        const part = x + across / 2;
        // A gap in the middle of the nearest row, to which the street leads the eye.
        const side = index === 2 ? 0.35 + 1.5 * Math.min(1, Math.abs(part / width - 0.5) * 1.9) ** 1.6 : 1;
        const rise = street * between(random, row.height[0], row.height[1]) * side;
        const tower = { x, y: street - rise, width: across, height: rise };
        const glass = { size: unit * row.window, lit: index === 2 ? lit * 0.7 : lit };
        const seen = paintTower(
          context,
          random,
          tower,
          mix(wall, hazed(stage, row.haze + 0.12), random()),
          glass,
        );
        if (index === 1) {
          summits.push({ x: part, y: paintSpire(context, random, tower, unit) });
          windows.push(...seen.slice(0, 3));
        }
        if (index === 2 && direction.light !== 'day' && random() < 0.75) signs.push(signOn(stage, tower));
        x += across + (index === 2 ? unit * between(random, 0, 1.2) : unit * between(random, -0.6, 0.5));
      }
    }),
  );
  summits.sort((a, b) => a.y - b.y);
  const size = unit * ROWS[1].window;
  const glows = new Map(signs.map(({ colour }) => [colour, createGlow(colour)]));

  return {
    layers,
    summits,
    twinkle(context, time) {
      context.fillStyle = css(WARM[0], 0.9);
      context.beginPath();
      for (const [index, { x, y }] of windows.entries()) {
        if (Math.sin(time * 0.9 + index * 2.4) > 0.55) context.rect(x, y, size, size * 1.2);
      }
      context.fill();
    },
    drawSigns(context, time) {
      for (const [index, sign] of signs.entries())
        drawSign(context, sign, glows.get(sign.colour), street, time, index);
    },
  };
}

interface Tower extends Point {
  readonly width: number;
  readonly height: number;
}

/** Paints a tower and its windows. Returns the places of dark windows. */
function paintTower(
  context: SKRSContext2D,
  random: Random,
  { x, y, width, height }: Tower,
  wall: Colour,
  glass: { readonly size: number; readonly lit: number },
): Point[] {
  const face = context.createLinearGradient(0, y, 0, y + height);
  face.addColorStop(0, css(wall));
  face.addColorStop(1, css(darken(wall, 0.35)));
  context.fillStyle = face;
  context.fillRect(x, y, width, height);
  // The side that faces away.
  context.fillStyle = 'rgba(0,0,0,0.2)';
  context.fillRect(x + width * 0.72, y, width * 0.28, height);
  const step = glass.size * 2.1;
  const rows = glass.size * between(random, 2.2, 2.9);
  const dark: Point[] = [];
  const own = pick(random, WARM);
  const busy = glass.lit * between(random, 0.4, 1.5);
  for (let top = y + rows * 0.8; top < y + height - rows * 0.5; top += rows) {
    for (let left = x + step * 0.45; left < x + width - step * 0.7; left += step) {
      const bright = random();
      if (bright < busy) {
        context.fillStyle = css(random() < 0.8 ? own : pick(random, WARM), 0.35 + 0.65 * random());
        context.fillRect(left, top, glass.size, glass.size * 1.2);
      } else {
        if (bright > 0.97) dark.push({ x: left, y: top });
        context.fillStyle = 'rgba(255,255,255,0.035)';
        context.fillRect(left, top, glass.size, glass.size * 1.2);
      }
    }
  }
  return dark;
}

/** A mast, a step or a point on top of some towers. Returns the highest point. */
function paintSpire(context: SKRSContext2D, random: Random, { x, y, width }: Tower, unit: number): number {
  const kind = random();
  const middle = x + width / 2;
  context.fillStyle = context.strokeStyle = 'rgba(0,0,0,0.42)';
  if (kind < 0.35) {
    const rise = unit * between(random, 3, 8);
    context.fillRect(middle - unit * 0.12, y - rise, unit * 0.24, rise);
    return y - rise;
  }
  if (kind < 0.6) {
    context.fillRect(x + width * 0.2, y - unit * 1.6, width * 0.6, unit * 1.6);
    return y - unit * 1.6;
  }
  return y;
}

interface Sign extends Point {
  readonly width: number;
  readonly height: number;
  readonly colour: Colour;
  readonly strokes: readonly (readonly [number, number, number])[];
}

function signOn({ unit, palette, random, direction }: Stage, tower: Tower): Sign {
  const width = unit * between(random, 1.5, 2.3);
  const height = Math.min(tower.height * 0.66, unit * between(random, 7, 13));
  const own = direction.colours.length > 0 && random() < 0.5;
  return {
    x: tower.x + tower.width * between(random, 0.1, 0.7),
    y: tower.y + tower.height * between(random, 0.08, 0.22),
    width,
    height,
    colour: own ? palette.accent : pick(random, NEON),
    // Resembles writing: a few strokes in each square of a column.
    strokes: Array.from({ length: 15 }, () => [random(), random(), random()] as const),
  };
}

function drawSign(
  context: SKRSContext2D,
  { x, y, width, height, colour, strokes }: Sign,
  glow: ReturnType<typeof createGlow> | undefined,
  street: number,
  time: number,
  index: number,
): void {
  // Some tubes are about to fail.
  const failing = index % 4 === 1 && Math.sin(time * 23 + index) + Math.sin(time * 7.7) > 1.2;
  const bright = failing ? 0.35 : 0.92 + 0.08 * Math.sin(time * 3 + index);
  const middle = { x: x + width / 2, y: y + height / 2 };
  if (glow) {
    drawGlow(context, glow, middle, height * 0.95, 0.5 * bright, 0.9);
    drawGlow(context, glow, { x: middle.x, y: street + height * 0.24 }, height * 0.5, 0.4 * bright, 0.55);
  }
  context.globalAlpha = bright;
  context.fillStyle = css(darken(colour, 0.72));
  context.fillRect(x, y, width, height);
  context.strokeStyle = css(mix(colour, hex('#ffffff'), 0.35));
  context.lineWidth = width * 0.08;
  context.strokeRect(x, y, width, height);
  context.strokeStyle = css(mix(colour, hex('#ffffff'), 0.55));
  context.lineWidth = width * 0.1;
  context.beginPath();
  const cells = Math.max(2, Math.floor(height / (width * 1.15)));
  const cell = height / cells;
  for (const [stroke, [a, b, c]] of strokes.entries()) {
    const top = y + (stroke % cells) * cell + cell * 0.16;
    const from = { x: x + width * (0.2 + 0.6 * a), y: top + cell * 0.68 * b };
    context.moveTo(from.x, from.y);
    if (c < 0.55) context.lineTo(x + width * (a < 0.5 ? 0.8 : 0.2), from.y);
    else context.lineTo(from.x, top + cell * (b < 0.5 ? 0.68 : 0.05));
  }
  context.stroke();
  context.globalAlpha = 1;
}
