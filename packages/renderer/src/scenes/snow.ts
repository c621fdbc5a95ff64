import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { type Colour, css, darken, hex, lighten, mix, WHITE } from '../picture/colour.ts';
import { between } from '../random.ts';
import { createGlow, drawGlow } from './elements/glow.ts';
import { hazed, type PaintedRidge, paintFir, paintRidge } from './elements/land.ts';
import { atDepth, drawLayer } from './elements/layer.ts';
import * as silhouettes from './elements/silhouettes.ts';
import { createSky } from './elements/sky.ts';
import { createSubjects, figureAt } from './elements/subjects.ts';
import type { Drawing, SceneMaker, Stage } from './scene.ts';

/** Snow-covered hills and firs, a cabin with lit windows, and northern lights at night. */
export const createSnow: SceneMaker = (stage) => {
  const { width, height, unit, palette, direction } = stage;
  const horizon = height * 0.6;
  const sky = createSky(stage, horizon);
  const aurora =
    direction.light === 'night' && direction.weather !== 'storm' ? createAurora(stage, horizon) : undefined;
  const shaded = direction.light === 'night' ? 0.62 : direction.light === 'day' ? 0.14 : 0.34;
  const snow = mix(WHITE, mix(palette.sky[1], hex('#2f4f94'), 0.4), shaded);
  const peaks = paintPeaks(stage, horizon, snow);
  const hills = [0, 1, 2].map((index) => paintHill(stage, horizon, snow, index));
  const ground = hills[2];
  const middle = hills[1];
  const cabinX = width * 0.52;
  const lamp = createGlow(hex('#ffb259'));
  const subjects = createSubjects(stage, {
    ground: (x) => (ground?.crest(x) ?? height) + unit * 1.4,
    depth: 0.84,
    sky: horizon * 0.5,
    own: ['house'],
  });

  return {
    draw(context, time, view) {
      sky.draw(context, time, view);
      aurora?.(context, time);
      drawLayer(context, stage, view, peaks.layer);
      subjects.drawSky(context, time, view);
      for (const [index, hill] of hills.entries()) {
        drawLayer(context, stage, view, hill.layer);
        if (index === 1 && middle) {
          atDepth(context, stage, view, 0.56, () => {
            paintCabin(context, stage, { x: cabinX, y: middle.crest(cabinX) + unit * 1.2 }, lamp, snow, time);
          });
        }
      }
      subjects.drawGround(context, time, view);
    },
  };
};

function paintPeaks(stage: Stage, horizon: number, snow: Colour): PaintedRidge {
  const { unit, palette } = stage;
  return paintRidge(
    stage,
    {
      depth: 0.14,
      base: horizon - unit * 8,
      swing: unit * 11,
      bumps: 2.4,
      octaves: 5,
      sharp: true,
      top: mix(snow, palette.haze, 0.4),
      foot: mix(hazed(stage, 0.6), snow, 0.35),
    },
    (context, crest) => paintRock(context, stage, crest, hazed(stage, 0.55)),
  );
}

/** One of three hills with firs. The third is the nearest. */
function paintHill(stage: Stage, horizon: number, snow: Colour, index: number): PaintedRidge {
  const { width, unit, palette, random } = stage;
  const near = index / 2;
  return paintRidge(
    stage,
    {
      depth: 0.28 + near * 0.56,
      base: horizon + unit * (1 + near * 18),
      swing: unit * (3.4 + near * 1.4),
      bumps: 1.8 - near * 0.5,
      octaves: 2,
      top: mix(lighten(snow, 0.16), palette.haze, 0.4 * (1 - near)),
      foot: mix(darken(snow, 0.2 + near * 0.1), palette.sky[0], 0.14),
    },
    (context, crest) => {
      const count = [46, 34, 15][index] ?? 0;
      const size = unit * (3.2 + near * 10);
      for (let i = 0; i < count; i++) {
        const x = between(random, -0.11, 1.11) * width;
        // The middle stays free for the cabin and for figures.
        const clear = index > 0 && Math.abs(x / width - 0.47) < 0.24;
        if (clear) continue;
        const down = unit * between(random, 0, 3 + near * 5);
        const dark = mix(darken(palette.near, 0.1), palette.haze, 0.45 * (1 - near));
        paintSnowyFir(
          context,
          x,
          crest(x) + down,
          size * between(random, 0.6, 1.15),
          dark,
          lighten(snow, 0.22),
        );
      }
    },
  );
}

/** Bare rock where the slopes are too steep for snow. */
function paintRock(context: SKRSContext2D, stage: Stage, crest: (x: number) => number, rock: Colour): void {
  const { width, unit, random } = stage;
  context.fillStyle = css(rock, 0.5);
  for (let i = 0; i < 190; i++) {
    const x = between(random, -0.12, 1.12) * width;
    const slope = crest(x + unit) - crest(x - unit);
    const top = crest(x) + unit * between(random, 0.8, 9);
    const length = unit * between(random, 1, 4.4);
    const lean = Math.sign(slope || 1) * length * 0.5;
    context.beginPath();
    context.moveTo(x, top);
    context.lineTo(x + lean, top + length);
    context.lineTo(x + lean * 0.3 + unit * 0.5, top + length * 0.7);
    context.fill();
  }
}

function paintSnowyFir(
  context: SKRSContext2D,
  x: number,
  y: number,
  height: number,
  dark: Colour,
  snow: Colour,
): void {
  context.fillStyle = css(dark);
  paintFir(context, x, y, height);
  context.fillStyle = css(snow, 0.88);
  for (let tier = 1; tier <= 4; tier++) {
    const down = y - height + (height * 0.92 * tier) / 4;
    const half = ((height * 0.36) / 2) * (tier / 4) ** 0.8;
    context.beginPath();
    context.moveTo(x - half * 0.94, down - height * 0.012);
    context.quadraticCurveTo(x - half * 0.4, down - height * 0.1, x, down - height * 0.17);
    context.quadraticCurveTo(x + half * 0.1, down - height * 0.08, x - half * 0.16, down - height * 0.045);
    context.closePath();
    context.fill();
  }
}

function paintCabin(
  context: SKRSContext2D,
  stage: Stage,
  at: { readonly x: number; readonly y: number },
  lamp: ReturnType<typeof createGlow>,
  snow: Colour,
  time: number,
): void {
  const { unit, palette, direction } = stage;
  const size = unit * 8.5;
  const bright = direction.light === 'day' ? 0.25 : 0.8;
  const flicker = 1 + Math.sin(time * 5.3) * 0.03 + Math.sin(time * 8.7) * 0.02;
  drawGlow(context, lamp, { x: at.x - size * 0.2, y: at.y }, size * 2.1 * flicker, bright * 0.55, 0.4);
  figureAt(context, at.x, at.y, size, () => {
    context.fillStyle = css(mix(darken(palette.near, 0.2), hex('#3a2418'), 0.55));
    silhouettes.house(context, time);
    context.fillStyle = css(lighten(snow, 0.3));
    context.beginPath();
    context.moveTo(-0.66, -0.4);
    context.lineTo(-0.06, -0.96);
    context.lineTo(0.54, -0.4);
    context.lineTo(0.47, -0.4);
    context.quadraticCurveTo(-0.06, -0.82, -0.06, -0.84);
    context.quadraticCurveTo(-0.1, -0.82, -0.58, -0.4);
    context.closePath();
    context.fill();
    context.fillStyle = css(hex('#ffd28a'), direction.light === 'day' ? 0.75 : 0.98);
    for (const x of [-0.42, -0.12]) context.fillRect(x, -0.3, 0.18, 0.2);
    context.fillRect(0.16, -0.32, 0.17, 0.38);
  });
  drawGlow(context, lamp, { x: at.x - size * 0.18, y: at.y - size * 0.2 }, size * 0.8 * flicker, bright);
  // Smoke from the chimney: puffs that rise, widen and fade.
  for (let i = 0; i < 9; i++) {
    const age = (i / 9 + time * 0.09 * direction.pace) % 1;
    context.fillStyle = css(lighten(snow, 0.2), 0.2 * (1 - age) * Math.min(1, age * 6));
    context.beginPath();
    const x = at.x + size * 0.26 + Math.sin(age * 5 + i) * unit * 0.7 + age * unit * 5;
    context.arc(x, at.y - size * 0.94 - age * unit * 12, unit * (0.5 + age * 2.2), 0, Math.PI * 2);
    context.fill();
  }
}

/** How much smaller the northern lights are painted. Scaling them up makes them soft. */
const SHRINK = 8;

function createAurora(stage: Stage, horizon: number): Drawing {
  const { width, palette, direction, random } = stage;
  const canvas = createCanvas(Math.ceil(width / SHRINK), Math.ceil(horizon / SHRINK));
  const inner = canvas.getContext('2d');
  const tinted = direction.colours.length > 0;
  const colours = tinted
    ? [palette.accent, lighten(palette.accent, 0.2), mix(palette.accent, hex('#7d4bd8'), 0.5)]
    : [hex('#38e8a0'), hex('#2fc6c9'), hex('#9a5be8')];
  const curtains = colours.map((colour, index) => {
    const ray = createCanvas(1, 64);
    const context = ray.getContext('2d');
    const gradient = context.createLinearGradient(0, 0, 0, 64);
    gradient.addColorStop(0, css(mix(colour, hex('#9a5be8'), 0.5), 0));
    gradient.addColorStop(0.55, css(mix(colour, hex('#6f6be8'), 0.25), 0.3));
    gradient.addColorStop(0.9, css(colour, 0.8));
    gradient.addColorStop(1, css(colour, 0));
    context.fillStyle = gradient;
    context.fillRect(0, 0, 1, 64);
    return { ray, level: 0.5 + index * 0.14, phase: random() * 9, speed: between(random, 0.1, 0.2) };
  });
  return (context, time) => {
    const moving = time * direction.pace;
    inner.clearRect(0, 0, canvas.width, canvas.height);
    inner.globalCompositeOperation = 'lighter';
    for (const { ray, level, phase, speed } of curtains) {
      for (let x = 0; x < canvas.width; x++) {
        const part = (x / canvas.width) * 6.3;
        const fold =
          Math.sin(part * 0.9 + phase + moving * speed) +
          0.5 * Math.sin(part * 2.3 - moving * speed * 1.7 + phase);
        const bright =
          0.5 +
          0.3 * Math.sin(part * 1.4 + phase * 2 + moving * 0.4) +
          0.2 * Math.sin(part * 9 + moving * 1.1 + fold * 3);
        const length = canvas.height * (0.34 + 0.13 * Math.sin(part * 3.1 + phase + moving * 0.3));
        inner.globalAlpha = Math.max(0, bright) * 0.62;
        inner.drawImage(ray, x, canvas.height * (level + fold * 0.11) - length, 1, length);
      }
    }
    inner.globalAlpha = 1;
    inner.globalCompositeOperation = 'source-over';
    context.globalCompositeOperation = 'lighter';
    context.drawImage(canvas, 0, 0, width, horizon);
    context.globalCompositeOperation = 'source-over';
  };
}
