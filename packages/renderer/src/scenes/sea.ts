import type { SKRSContext2D } from '@napi-rs/canvas';
import { lerp } from '../easing.ts';
import { type Colour, css, darken, hex, lighten, mix } from '../picture/colour.ts';
import { between } from '../random.ts';
import { hazed, litColour, paintRidge, traceCrest } from './elements/land.ts';
import { atDepth, drawLayer, type Layer, marginX, marginY, paintBand } from './elements/layer.ts';
import * as silhouettes from './elements/silhouettes.ts';
import { createSky } from './elements/sky.ts';
import { createSubjects, figureAt, needsGround } from './elements/subjects.ts';
import type { Drawing, SceneMaker, Stage } from './scene.ts';

/** Rows of waves between the horizon and the viewer. */
const ROWS = 8;

/** Open water under a wide sky, with light on the waves, boats and whales, and a shore if figures need one. */
export const createSea: SceneMaker = (stage) => {
  const { height, unit, palette, direction } = stage;
  const horizon = height * 0.56;
  const rough = direction.weather === 'storm' ? 2.1 : direction.weather === 'rain' ? 1.3 : 1;
  const sky = createSky(stage, horizon);
  const water = paintWater(stage, horizon);
  const islands = paintRidge(stage, {
    depth: 0.09,
    base: horizon - unit * 0.4,
    swing: unit * 3.4,
    bumps: 1.7,
    octaves: 4,
    top: hazed(stage, 0.72),
    foot: hazed(stage, 0.8),
  });
  const rows = Array.from({ length: ROWS }, (_, index) => paintWaves(stage, horizon, index, rough));
  const glitter = createGlitter(stage, horizon, sky.light.x);
  const shore = needsGround(direction)
    ? paintRidge(stage, {
        depth: 0.8,
        base: height * 0.85,
        swing: unit * 3.6,
        bumps: 1.1,
        octaves: 4,
        top: darken(palette.near, 0.05),
        foot: darken(palette.near, 0.5),
      })
    : undefined;
  const subjects = createSubjects(stage, {
    ground: (x) => shore?.crest(x) ?? height,
    depth: 0.8,
    sky: horizon * 0.42,
  });
  const afloat = createAfloat(stage, horizon, rough);

  return {
    draw(context, time, view) {
      sky.draw(context, time, view);
      drawLayer(context, stage, view, islands.layer);
      drawLayer(context, stage, view, water);
      for (const [index, row] of rows.entries()) {
        const near = index / ROWS;
        const beat = time * (1.15 - near * 0.35) * direction.pace + index * 1.7;
        const swell = unit * (0.16 + near * 0.9) * rough;
        drawLayer(
          context,
          stage,
          view,
          row,
          Math.sin(beat * 0.6) * unit * (0.8 + near * 4),
          Math.sin(beat) * swell,
        );
        if (index === 1) glitter(context, time);
        if (index === 3) atDepth(context, stage, view, 0.34, () => afloat(context, time));
      }
      subjects.drawSky(context, time, view);
      if (shore) drawLayer(context, stage, view, shore.layer);
      subjects.drawGround(context, time, view);
    },
  };
};

const waterColour = (stage: Stage, near: number) =>
  mix(
    mix(stage.palette.sky[2], stage.palette.sky[1], 0.35),
    mix(litColour(stage, hex('#0b5a86')), stage.palette.sky[0], 0.6),
    near,
  );

function paintWater(stage: Stage, horizon: number): Layer {
  const bottom = stage.height + marginY(stage);
  return paintBand(stage, 0.09, { top: horizon, bottom }, (context) => {
    const gradient = context.createLinearGradient(0, horizon, 0, bottom);
    gradient.addColorStop(0, css(waterColour(stage, 0.25)));
    gradient.addColorStop(0.25, css(waterColour(stage, 0.7)));
    gradient.addColorStop(1, css(darken(waterColour(stage, 1), 0.35)));
    context.fillStyle = gradient;
    context.fillRect(-marginX(stage), horizon, stage.width + 2 * marginX(stage), bottom - horizon);
  });
}

/** The height of a row in the frame. Rows are denser towards the horizon, by perspective. */
const rowY = (stage: Stage, horizon: number, near: number): number =>
  lerp(horizon, stage.height * 1.02, 0.015 + near ** 1.75);

function paintWaves(stage: Stage, horizon: number, index: number, rough: number): Layer {
  const { unit, palette, random } = stage;
  const near = (index + 0.4) / ROWS;
  const y = rowY(stage, horizon, near);
  const next = rowY(stage, horizon, (index + 2.2) / ROWS);
  const swing = unit * (0.22 + near * 1.7) * rough;
  const length = unit * (5 + near * 26);
  const phases = [random() * 7, random() * 7, random() * 7] as const;
  const crest = (x: number): number => {
    const part = x / length;
    // Like waves, sharp above and round below.
    const main = 1 - 2 * Math.abs(Math.sin(part * 2.1 + phases[0]));
    const wide = Math.sin(part * 1.13 + phases[1]);
    return y - swing * (0.5 * main + 0.5 * wide + 0.2 * Math.sin(part * 7.3 + phases[2]));
  };
  const shine = mix(palette.sky[2], palette.sky[1], 0.35 + near * 0.6);
  const top = lighten(mix(waterColour(stage, near), shine, 0.36 - near * 0.2), 0.03);
  return paintBand(stage, 0.12 + near * 0.6, { top: y - swing * 2.2, bottom: next + swing }, (context) => {
    const gradient = context.createLinearGradient(0, y - swing, 0, next + swing);
    gradient.addColorStop(0, css(top, 0.85));
    gradient.addColorStop(0.28, css(darken(top, 0.24), 0.6));
    gradient.addColorStop(1, css(darken(top, 0.42), 0));
    traceCrest(context, stage, crest);
    context.strokeStyle = css(lighten(mix(top, palette.glow, 0.4), 0.2), 0.3 + near * 0.25);
    context.lineWidth = unit * (0.06 + near * 0.14);
    context.stroke();
    context.lineTo(stage.width + marginX(stage), next + swing);
    context.lineTo(-marginX(stage), next + swing);
    context.fillStyle = gradient;
    context.fill();
    if (rough > 1.5) paintFoam(context, stage, crest, near);
  });
}

function paintFoam(context: SKRSContext2D, stage: Stage, crest: (x: number) => number, near: number): void {
  const { width, unit, random } = stage;
  context.fillStyle = `rgba(235,242,248,${0.24 + near * 0.2})`;
  context.beginPath();
  for (let i = 0; i < 110; i++) {
    const x = between(random, -0.1, 1.1) * width;
    const size = unit * (0.1 + near * 0.7) * random();
    const y = crest(x) + size * 1.2;
    context.moveTo(x, y);
    context.ellipse(x, y, size * 2.2, size * 0.5, 0, 0, Math.PI * 2);
  }
  context.fill();
}

/** Sparks under the sun or moon. One path for each of four brightnesses, because fills are expensive and path points cheap. */
function createGlitter(stage: Stage, horizon: number, centre: number): Drawing {
  const { height, unit, palette, direction, random } = stage;
  const strength = direction.weather === 'clear' ? 1 : direction.weather === 'snow' ? 0.7 : 0.25;
  const sparks = Array.from({ length: 340 }, () => {
    const near = random() ** 1.5;
    const spread = random() + random() + random() - 1.5;
    return {
      x: centre + spread * unit * (5 + near * 26),
      y: horizon + unit * 0.3 + (height * 1.02 - horizon) * near,
      length: unit * (0.5 + near * 3.6) * between(random, 0.5, 1.2),
      height: unit * (0.07 + near * 0.3),
      speed: between(random, 1.2, 3.4),
      phase: random() * 7,
      edge: 1 - Math.abs(spread) / 1.5,
    };
  });
  const levels = [0.16, 0.32, 0.55, 0.85];
  return (context, time) => {
    const paths = levels.map(() => [] as typeof sparks);
    for (const spark of sparks) {
      const wave = Math.sin(time * spark.speed * direction.pace + spark.phase);
      const bright = (0.5 + 0.5 * wave) * spark.edge ** 0.6;
      if (bright > 0.12) paths[Math.min(levels.length - 1, Math.floor(bright * levels.length))]?.push(spark);
    }
    context.fillStyle = css(lighten(palette.glow, 0.25));
    for (const [level, some] of paths.entries()) {
      context.globalAlpha = (levels[level] ?? 1) * strength;
      context.beginPath();
      for (const { x, y, length, height: thick, speed, phase } of some) {
        const cx = x + Math.sin(time * 0.8 + phase * speed) * unit * 0.6;
        context.moveTo(cx + length, y);
        context.ellipse(cx, y, length, thick, 0, 0, Math.PI * 2);
      }
      context.fill();
    }
    context.globalAlpha = 1;
  };
}

/** What swims: a boat with its reflection, a whale that breaches. */
function createAfloat(stage: Stage, horizon: number, rough: number): Drawing {
  const { width, unit, palette, direction } = stage;
  const line = rowY(stage, horizon, 3.9 / ROWS);
  const boats = direction.subjects.includes('boat') ? [{ x: 0.4, size: 17 }] : [];
  const hull = darken(palette.near, 0.25);
  const sail =
    direction.colours.length > 0 ? palette.accent : lighten(mix(palette.glow, palette.accent, 0.22), 0.2);
  const drawBoat = (context: SKRSContext2D, time: number): void => {
    context.fillStyle = css(hull);
    silhouettes.boat(context, time);
    context.fillStyle = css(sail);
    silhouettes.sails(context, time);
  };
  const whale = direction.subjects.includes('whale');
  return (context, time) => {
    for (const { x, size } of boats) {
      const beat = time * 1.1 * direction.pace;
      const at = {
        x: width * x + time * unit * 1.1 * direction.pace,
        y: line + Math.sin(beat) * unit * 0.5 * rough,
      };
      figureAt(context, at.x, at.y + unit * 0.6, unit * size, () => {
        context.globalAlpha = 0.22;
        context.scale(1, -0.5);
        drawBoat(context, time);
        context.globalAlpha = 1;
      });
      figureAt(context, at.x, at.y, unit * size, () => {
        context.rotate(Math.sin(beat * 0.9 + 0.6) * 0.035 * rough);
        drawBoat(context, time);
      });
    }
    if (whale) drawBreach(context, stage, line, hull, time);
  };
}

/** A whale that breaches, above the waterline `line`. */
function drawBreach(context: SKRSContext2D, stage: Stage, line: number, hull: Colour, time: number): void {
  const { width, unit, palette, direction } = stage;
  const part = ((time * 0.28 * direction.pace + 0.22) % 1) * 2 - 1;
  const at = { x: width * 0.52 + part * unit * 17, y: line - (1 - part * part) * unit * 13 + unit * 7 };
  context.save();
  context.beginPath();
  context.rect(-width, -stage.height, width * 3, stage.height + line);
  context.clip();
  context.fillStyle = css(mix(hull, palette.sky[1], 0.16));
  figureAt(context, at.x, at.y, unit * 12, () => {
    context.rotate(part * 0.75);
    silhouettes.whale(context, time);
  });
  context.restore();
  // Foam where it leaves and enters the water.
  context.fillStyle = css(lighten(palette.sky[2], 0.6), 0.55);
  context.beginPath();
  for (let i = 0; i < 40; i++) {
    const side = ((i * 0.618) % 1) * 2 - 1;
    const size = unit * (0.35 + 0.4 * Math.abs(Math.sin(i * 7.3 + time * 2.2)));
    const x = at.x + side * unit * 12;
    const y = line + Math.sin(i * 3.1) * unit * 0.35;
    context.moveTo(x + size, y);
    context.ellipse(x, y, size * 1.8, size * 0.3, 0, 0, Math.PI * 2);
  }
  context.fill();
}
