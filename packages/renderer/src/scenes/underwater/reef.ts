import type { SKRSContext2D } from '@napi-rs/canvas';
import type { View } from '../../picture/camera.ts';
import { type Colour, css, darken, hex, mix } from '../../picture/colour.ts';
import { between, pick } from '../../random.ts';
import { paintRidge } from '../elements/land.ts';
import { atDepth, drawLayer } from '../elements/layer.ts';
import type { Drawing, Stage } from '../scene.ts';

/** The sea bed in front, with corals of many shapes and swaying weeds. */
export function createReef(
  stage: Stage,
  deep: Colour,
): (context: SKRSContext2D, time: number, view: View) => void {
  const { width, height, unit, palette, direction, random } = stage;
  const depth = 0.8;
  const hues: readonly [Colour, ...Colour[]] =
    direction.colours.length > 0
      ? [palette.accent, mix(palette.accent, hex('#ff8a6a'), 0.4), mix(palette.accent, hex('#ffffff'), 0.3)]
      : [hex('#ff6f6a'), hex('#ff9f4a'), hex('#d65fae'), hex('#8a63d8'), hex('#f2c14e')];
  const bed = paintRidge(
    stage,
    {
      depth,
      base: height * 0.9,
      swing: unit * 3,
      bumps: 1.6,
      octaves: 3,
      top: mix(deep, hex('#2b6a78'), 0.3),
      foot: darken(deep, 0.5),
    },
    (context, crest) => {
      for (let i = 0; i < 46; i++) {
        const x = between(random, -0.1, 1.1) * width;
        // Corals crowd at the sides and leave the middle free.
        const side = 0.45 + Math.abs(x / width - 0.5) * 1.5;
        const colour = mix(pick(random, hues), deep, between(random, 0.25, 0.62));
        const size = unit * between(random, 3, 7.5) * side;
        const y = crest(x) + unit * between(random, 0.4, 3.5);
        const kind = random();
        if (kind < 0.4)
          paintBranches(context, stage, { x, y }, -Math.PI / 2, size * 0.5, size * 0.13, colour, 4);
        else if (kind < 0.72) paintFan(context, stage, x, y, size, colour);
        else paintBrain(context, stage, x, y, size * 0.62, colour);
      }
    },
  );
  const weeds = createWeeds(stage, deep, bed.crest);

  return (context, time, view) => {
    atDepth(context, stage, view, depth, () => weeds(context, time));
    drawLayer(context, stage, view, bed.layer);
  };
}

/** Weeds that sway, more at their tips. */
function createWeeds(stage: Stage, deep: Colour, crest: (x: number) => number): Drawing {
  const { width, unit, direction, random } = stage;
  const weeds = Array.from({ length: 26 }, () => {
    const x = between(random, -0.06, 1.06) * width;
    return {
      x,
      y: crest(x) + unit * 2,
      length: unit * between(random, 8, 21) * (0.4 + Math.abs(x / width - 0.5) * 1.4),
      wide: unit * between(random, 0.5, 0.95),
      phase: random() * 7,
      colour: css(mix(mix(hex('#2f8f5b'), hex('#8a9a3a'), random()), deep, between(random, 0.35, 0.6))),
    };
  });

  return (context, time) => {
    for (const { x, y, length, wide, phase, colour } of weeds) {
      const sway = (part: number): number =>
        Math.sin(time * 1.1 * direction.pace + phase - part * 2.6) * unit * 2.6 * part * part;
      context.fillStyle = colour;
      context.beginPath();
      context.moveTo(x - wide, y);
      for (let part = 0.1; part <= 1; part += 0.1) {
        const edge = wide * (1 - part) * (1 + 0.35 * Math.sin(part * 20));
        context.lineTo(x - edge + sway(part), y - length * part);
      }
      for (let part = 0.9; part >= 0; part -= 0.1) {
        const edge = wide * (1 - part) * (1 + 0.35 * Math.sin(part * 20 + 1.5));
        context.lineTo(x + edge + sway(part), y - length * part);
      }
      context.fill();
    }
  };
}

function paintBranches(
  context: SKRSContext2D,
  stage: Stage,
  from: { readonly x: number; readonly y: number },
  turn: number,
  length: number,
  thick: number,
  colour: Colour,
  forks: number,
): void {
  const to = { x: from.x + Math.cos(turn) * length, y: from.y + Math.sin(turn) * length };
  context.strokeStyle = css(colour);
  context.lineWidth = thick;
  context.lineCap = 'round';
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.lineTo(to.x, to.y);
  context.stroke();
  if (forks === 0) return;
  for (const side of [-1, 1]) {
    const next = turn + side * between(stage.random, 0.25, 0.6);
    paintBranches(
      context,
      stage,
      to,
      next,
      length * between(stage.random, 0.62, 0.86),
      thick * 0.72,
      colour,
      forks - 1,
    );
  }
}

function paintFan(
  context: SKRSContext2D,
  { random }: Stage,
  x: number,
  y: number,
  size: number,
  colour: Colour,
): void {
  context.strokeStyle = css(colour, 0.9);
  context.lineCap = 'round';
  for (let i = 0; i < 13; i++) {
    const turn = -Math.PI / 2 + (i / 12 - 0.5) * 2;
    const length = size * between(random, 0.75, 1.05);
    context.lineWidth = size * 0.06;
    context.beginPath();
    context.moveTo(x, y);
    context.quadraticCurveTo(
      x + Math.cos(turn) * length * 0.4,
      y - length * 0.6,
      x + Math.cos(turn) * length,
      y + Math.sin(turn) * length,
    );
    context.stroke();
  }
}

function paintBrain(
  context: SKRSContext2D,
  { random }: Stage,
  x: number,
  y: number,
  size: number,
  colour: Colour,
): void {
  const gradient = context.createRadialGradient(x - size * 0.3, y - size * 0.8, 0, x, y, size * 1.3);
  gradient.addColorStop(0, css(mix(colour, hex('#ffffff'), 0.22)));
  gradient.addColorStop(1, css(darken(colour, 0.5)));
  context.fillStyle = gradient;
  context.beginPath();
  context.ellipse(x, y, size, size * 0.82, 0, Math.PI, Math.PI * 2);
  context.fill();
  context.fillStyle = css(darken(colour, 0.3), 0.5);
  for (let i = 0; i < 16; i++) {
    context.beginPath();
    context.arc(
      x + between(random, -0.75, 0.75) * size,
      y - between(random, 0.08, 0.6) * size,
      size * 0.055,
      0,
      Math.PI * 2,
    );
    context.fill();
  }
}
