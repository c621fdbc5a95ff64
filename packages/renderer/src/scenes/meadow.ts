import type { SKRSContext2D } from '@napi-rs/canvas';
import { lerp } from '../easing.ts';
import { type Colour, css, darken, hex, lighten, mix } from '../picture/colour.ts';
import { between, pick } from '../random.ts';
import { litColour, paintRidge } from './elements/land.ts';
import { atDepth, drawLayer, type Layer, marginX, marginY, paintBand } from './elements/layer.ts';
import * as silhouettes from './elements/silhouettes.ts';
import { createSky } from './elements/sky.ts';
import { createSubjects, figureAt } from './elements/subjects.ts';
import type { Drawing, SceneMaker, Stage } from './scene.ts';

/** Rolling green hills, a field of flowers that comes closer, and grass in the wind in front of it. */
export const createMeadow: SceneMaker = (stage) => {
  const { width, height, unit, palette, direction } = stage;
  const horizon = height * 0.57;
  const sky = createSky(stage, horizon);
  const green = litColour(stage, direction.weather === 'snow' ? hex('#9fb3a4') : hex('#5c9e3d'));
  const hills = [0, 1, 2].map((index) => {
    const near = index / 2;
    const colour = mix(mix(green, palette.haze, 0.55 * (1 - near)), hex('#2f6f5a'), 0.25 * (1 - near));
    return paintRidge(stage, {
      depth: 0.12 + near * 0.24,
      base: horizon + unit * (-2 + near * 6.5),
      swing: unit * (6.5 - near * 2.4),
      bumps: 1.7 - near * 0.4,
      octaves: index === 0 ? 3 : 2,
      top: lighten(mix(colour, palette.glow, 0.16), 0.04),
      foot: darken(colour, 0.16),
    });
  });
  const field = Array.from({ length: STRIPS }, (_, index) => paintField(stage, horizon, index, green));
  const treeX = width * 0.74;
  const hill = hills[2];
  const leaves = mix(darken(green, 0.42), palette.near, 0.2);
  const grass = createGrass(stage, green);
  const butterflies = createButterflies(stage);
  const subjects = createSubjects(stage, {
    ground: () => height * 0.86,
    depth: 0.62,
    sky: horizon * 0.45,
    own: ['tree'],
  });

  return {
    draw(context, time, view) {
      sky.draw(context, time, view);
      subjects.drawSky(context, time, view);
      for (const { layer } of hills) drawLayer(context, stage, view, layer);
      atDepth(context, stage, view, 0.36, () => {
        context.fillStyle = css(leaves);
        figureAt(context, treeX, (hill?.crest(treeX) ?? horizon) + unit, unit * 19, () =>
          silhouettes.tree(context, time * direction.pace),
        );
      });
      for (const [index, layer] of field.entries()) {
        drawLayer(
          context,
          stage,
          view,
          layer,
          Math.sin(time * 1.1 * direction.pace + index) * unit * 0.12 * index,
        );
        if (index === 3) subjects.drawGround(context, time, view);
      }
      atDepth(context, stage, view, 0.8, () => butterflies(context, time));
      atDepth(context, stage, view, 1, () => grass(context, time));
    },
  };
};

/** Colours of the flowers. The colour in the prompt comes first. */
function petals({ palette, direction }: Stage): readonly [Colour, ...Colour[]] {
  if (direction.colours.length > 0)
    return [palette.accent, lighten(palette.accent, 0.3), lighten(palette.accent, 0.6)];
  return [hex('#ff5d5d'), hex('#ffd23f'), hex('#ffffff'), hex('#c77dff'), hex('#ff8fb3')];
}

/** Strips of the field between the hills and the viewer. */
const STRIPS = 5;

/** A strip of the field. Near grass and flowers are larger and sparser. */
function paintField(stage: Stage, horizon: number, index: number, green: Colour): Layer {
  const { width, height, unit, palette, random } = stage;
  const bottom = height + marginY(stage);
  const top = (strip: number): number => lerp(horizon + unit * 6, bottom, (strip / STRIPS) ** 1.35);
  const near = index / (STRIPS - 1);
  const from = top(index);
  const reach = (top(index + 1) - from) * 1.12 + unit * 2;
  const own = petals(stage);
  const base = darken(mix(green, palette.haze, 0.22 * (1 - near)), near * 0.3);
  // The same number of flowers for the same ground, whatever the ratio of the frame.
  const area = (width * reach) / (unit * unit) / 1000;
  return paintBand(stage, 0.4 + near * 0.4, { top: from - unit * 5, bottom }, (context) => {
    const gradient = context.createLinearGradient(0, from, 0, from + reach);
    gradient.addColorStop(0, css(base, 0));
    gradient.addColorStop(0.2, css(base, 1));
    gradient.addColorStop(1, css(darken(base, 0.22)));
    context.fillStyle = gradient;
    context.fillRect(-marginX(stage), from, width + 2 * marginX(stage), bottom - from);
    for (let pass = 0; pass < 9; pass++) {
      const down = from + reach * ((pass + 0.5) / 9);
      const scale = lerp(0.5, 2.6, near) * (0.8 + pass * 0.05);
      context.strokeStyle = css(mix(lighten(base, 0.16), palette.glow, 0.1), 0.5);
      context.lineWidth = unit * 0.09 * scale;
      context.beginPath();
      for (let i = 0; i < area * (130 - near * 85); i++) {
        const x = between(random, -0.11, 1.11) * width;
        const y = down + between(random, -0.5, 0.5) * (reach / 9);
        context.moveTo(x, y);
        context.quadraticCurveTo(
          x,
          y - unit * scale * 0.7,
          x + between(random, -0.6, 0.6) * unit * scale,
          y - unit * scale,
        );
      }
      context.stroke();
      for (let i = 0; i < area * (46 - near * 32); i++) {
        const x = between(random, -0.11, 1.11) * width;
        const y = down + between(random, -0.6, 0.4) * (reach / 9) - unit * scale * 0.8;
        const colour = litColour(stage, pick(random, own));
        paintFlower(context, x, y, unit * scale * between(random, 0.26, 0.42), colour);
      }
    }
  });
}

function paintFlower(context: SKRSContext2D, x: number, y: number, size: number, colour: Colour): void {
  context.fillStyle = css(colour, 0.95);
  context.beginPath();
  for (let petal = 0; petal < 5; petal++) {
    const turn = (petal / 5) * Math.PI * 2 + x;
    const at = { x: x + Math.cos(turn) * size * 0.62, y: y + Math.sin(turn) * size * 0.5 };
    context.moveTo(at.x + size * 0.5, at.y);
    context.arc(at.x, at.y, size * 0.5, 0, Math.PI * 2);
  }
  context.fill();
  context.fillStyle = css(mix(darken(colour, 0.35), hex('#ffcf4d'), 0.6));
  context.beginPath();
  context.arc(x, y, size * 0.34, 0, Math.PI * 2);
  context.fill();
}

/** Blades and flowers at the viewer's feet, bending in gusts. */
function createGrass(stage: Stage, green: Colour): Drawing {
  const { width, height, unit, direction, random } = stage;
  const own = petals(stage);
  const gust = direction.weather === 'storm' ? 2.2 : direction.weather === 'rain' ? 1.4 : 1;
  const shades = [darken(green, 0.62), darken(green, 0.46)].map((colour) => ({
    colour: css(colour),
    blades: Array.from({ length: 105 }, () => ({
      x: between(random, -0.04, 1.04) * width,
      length: unit * between(random, 3.2, 8.5),
      lean: between(random, -0.3, 0.3),
      phase: random() * 1.4,
    })),
  }));
  const flowers = Array.from({ length: 15 }, () => ({
    x: between(random, -0.02, 1.02) * width,
    length: unit * between(random, 7, 11),
    size: unit * between(random, 0.7, 1.25),
    phase: random() * 1.4,
    colour: litColour(stage, pick(random, own)),
  }));
  const bend = (x: number, phase: number, time: number): number =>
    (Math.sin(time * 1.5 * direction.pace - (x / width) * 4 + phase) * 0.22 +
      Math.sin(time * 3.7 * direction.pace + phase * 5) * 0.06) *
    gust;
  const foot = height + unit * 3.4;
  return (context, time) => {
    for (const { colour, blades } of shades) {
      context.fillStyle = colour;
      context.beginPath();
      for (const { x, length, lean, phase } of blades) {
        const tip = { x: x + length * (lean + bend(x, phase, time)), y: foot - length };
        const thick = unit * 0.24;
        context.moveTo(x - thick, foot);
        context.quadraticCurveTo(x - thick, foot - length * 0.55, tip.x, tip.y);
        context.quadraticCurveTo(x + thick, foot - length * 0.55, x + thick, foot);
      }
      context.fill();
    }
    context.strokeStyle = css(darken(green, 0.4));
    context.lineWidth = unit * 0.2;
    context.beginPath();
    for (const { x, length, phase } of flowers) {
      context.moveTo(x, foot);
      context.quadraticCurveTo(x, foot - length * 0.5, x + length * bend(x, phase, time), foot - length);
    }
    context.stroke();
    for (const { x, length, size, phase, colour } of flowers) {
      paintFlower(context, x + length * bend(x, phase, time), foot - length, size, colour);
    }
  };
}

function createButterflies(stage: Stage): Drawing {
  const { width, height, unit, palette, direction, random } = stage;
  if (direction.light === 'night' || direction.weather === 'rain' || direction.weather === 'storm')
    return createFireflies(stage);
  const flock = Array.from({ length: 4 }, () => ({
    x: random() * width,
    y: height * between(random, 0.6, 0.8),
    size: unit * between(random, 0.9, 1.5),
    phase: random() * 9,
  }));
  return (context, time) => {
    for (const { x, y, size, phase } of flock) {
      const moving = time * direction.pace + phase;
      const at = { x: x + Math.sin(moving * 0.7) * unit * 9, y: y + Math.sin(moving * 1.9) * unit * 2.4 };
      const open = 0.25 + 0.75 * Math.abs(Math.sin(moving * 9));
      figureAt(context, at.x, at.y, size, () => {
        context.rotate(Math.sin(moving) * 0.4);
        context.fillStyle = css(lighten(palette.accent, 0.12), 0.95);
        for (const side of [-1, 1]) {
          context.beginPath();
          context.ellipse(side * 0.42 * open, -0.28, 0.46 * open, 0.5, side * 0.5, 0, Math.PI * 2);
          context.ellipse(side * 0.32 * open, 0.3, 0.34 * open, 0.36, 0, 0, Math.PI * 2);
          context.fill();
        }
        context.fillStyle = css(darken(palette.near, 0.2));
        context.fillRect(-0.06, -0.55, 0.12, 1.05);
      });
    }
  };
}

function createFireflies(stage: Stage): Drawing {
  const { width, height, unit, direction, random } = stage;
  if (direction.weather !== 'clear') return () => {};
  const flies = Array.from({ length: 34 }, () => ({
    x: random() * width,
    y: height * between(random, 0.55, 0.95),
    phase: random() * 9,
  }));
  return (context, time) => {
    for (const { x, y, phase } of flies) {
      const moving = time * 0.6 * direction.pace + phase;
      const bright = Math.max(0, Math.sin(moving * 2.3));
      const at = { x: x + Math.sin(moving) * unit * 4, y: y + Math.cos(moving * 1.3) * unit * 2 };
      for (const [size, alpha] of [
        [1.1, 0.16],
        [0.5, 0.3],
        [0.2, 0.95],
      ] as const) {
        context.fillStyle = `rgba(214,255,130,${alpha * bright})`;
        context.beginPath();
        context.arc(at.x, at.y, unit * size, 0, Math.PI * 2);
        context.fill();
      }
    }
  };
}
