import type { SKRSContext2D } from '@napi-rs/canvas';
import { lerp, wrap } from '../easing.ts';
import { type Colour, css, darken, hex, lighten, mix } from '../picture/colour.ts';
import { between } from '../random.ts';
import { litColour, paintRidge } from './elements/land.ts';
import { atDepth, drawLayer, marginX } from './elements/layer.ts';
import { createSky } from './elements/sky.ts';
import { createSubjects } from './elements/subjects.ts';
import type { Drawing, SceneMaker, Stage } from './scene.ts';

const SAND = hex('#e3a565');

/** Dunes behind one another, each with a lit and a shaded side, and sand on the wind. */
export const createDesert: SceneMaker = (stage) => {
  const { height, unit, palette, direction, random } = stage;
  const horizon = height * 0.58;
  const sky = createSky(stage, horizon);
  const sand = direction.colours.length > 0 ? mix(SAND, palette.accent, 0.35) : SAND;
  const lit = litColour(stage, sand);
  const dunes = [0, 1, 2, 3].map((index) => {
    const near = index / 3;
    const top = mix(lighten(mix(lit, palette.glow, 0.18), 0.06), palette.haze, 0.62 * (1 - near) ** 1.2);
    const foot = mix(darken(lit, 0.26), palette.haze, 0.4 * (1 - near));
    const swing = unit * (4.5 + near * 6.5);
    return paintRidge(
      stage,
      {
        depth: 0.12 + near * 0.62,
        base: horizon + unit * (1.5 + near * 17),
        swing,
        bumps: 2.6 - near * 1.15,
        octaves: 2,
        top,
        foot,
      },
      (context, crest) => {
        const shade = mix(mix(top, palette.near, 0.62), palette.haze, 0.3 * (1 - near));
        paintShadows(context, stage, crest, swing, shade, sky.light.x);
        if (index > 1) paintRipples(context, stage, crest, near, darken(foot, 0.3));
      },
    );
  });
  const front = dunes[3];
  const cacti = Array.from({ length: 2 }, (_, index) => ({
    x: stage.width * (index === 0 ? between(random, 0.06, 0.13) : between(random, 0.88, 0.95)),
    size: unit * between(random, 9, 13),
  }));
  const subjects = createSubjects(stage, {
    ground: (x) => (front?.crest(x) ?? height) + unit * 0.4,
    depth: 0.74,
    sky: horizon * 0.5,
  });
  const dust = createDust(stage, mix(lit, palette.glow, 0.5), horizon);

  return {
    draw(context, time, view) {
      sky.draw(context, time, view);
      for (const [index, dune] of dunes.entries()) {
        if (index === 3) subjects.drawSky(context, time, view);
        drawLayer(context, stage, view, dune.layer);
      }
      atDepth(context, stage, view, 0.74, () => {
        context.fillStyle = css(darken(palette.near, 0.3));
        for (const { x, size } of cacti) paintCactus(context, x, (front?.crest(x) ?? height) + unit, size);
      });
      subjects.drawGround(context, time, view);
      dust(context, time);
    },
  };
};

/** The sides that face away from the light: from each summit down to the next hollow, along a soft curve. */
function paintShadows(
  context: SKRSContext2D,
  stage: Stage,
  crest: (x: number) => number,
  swing: number,
  shade: Colour,
  lightX: number,
): void {
  const margin = marginX(stage);
  const step = stage.unit * 0.8;
  const away = lightX > stage.width / 2 ? -1 : 1;
  for (let x = -margin; x < stage.width + margin; x += step) {
    const summit = crest(x) < crest(x - step) && crest(x) <= crest(x + step);
    if (!summit) continue;
    let end = x;
    while (Math.abs(end - x) < stage.width && crest(end + away * step) >= crest(end)) end += away * step;
    const drop = crest(end) - crest(x);
    if (drop < swing * 0.12) continue;
    const depth = swing * 1.3 + drop * 0.8;
    const far = end - x;
    const foot = { x: x + far * 0.42, y: crest(x) + depth };
    const gradient = context.createLinearGradient(0, crest(x), 0, foot.y);
    gradient.addColorStop(0, css(shade, 0.95));
    gradient.addColorStop(0.5, css(shade, 0.6));
    gradient.addColorStop(1, css(shade, 0));
    context.fillStyle = gradient;
    context.beginPath();
    context.moveTo(x, crest(x));
    for (let along = x; (end - along) * away > 0; along += away * step) context.lineTo(along, crest(along));
    context.lineTo(end, crest(end));
    context.quadraticCurveTo(x + far * 0.85, lerp(crest(end), foot.y, 0.6), foot.x, foot.y);
    // The spine: an S from the foot of the dune up to its summit.
    context.bezierCurveTo(
      x + far * 0.5,
      crest(x) + depth * 0.55,
      x - far * 0.1,
      crest(x) + depth * 0.5,
      x,
      crest(x),
    );
    context.fill();
  }
}

function paintRipples(
  context: SKRSContext2D,
  stage: Stage,
  crest: (x: number) => number,
  near: number,
  colour: Colour,
): void {
  const { width, height, unit, random } = stage;
  context.strokeStyle = css(colour, 0.13);
  context.lineWidth = unit * 0.14;
  for (let y = unit * 2.5, row = 0; row < 26; y += unit * (0.8 + row * 0.09), row++) {
    const phase = random() * 7;
    context.beginPath();
    for (let x = -marginX(stage); x < width + marginX(stage); x += unit) {
      const wave = Math.sin(x / (unit * (4 + near * 3)) + phase) * unit * 0.35;
      const level = crest(x) * 0.55 + height * 0.45 * near + y + wave;
      if (level > crest(x) + unit) context.lineTo(x, level);
      else context.moveTo(x, level);
    }
    context.stroke();
  }
}

function paintCactus(context: SKRSContext2D, x: number, y: number, size: number): void {
  const arm = (side: number, from: number, up: number): void => {
    context.moveTo(x, y - size * from);
    context.quadraticCurveTo(x + side * size * 0.26, y - size * from, x + side * size * 0.26, y - size * up);
  };
  context.strokeStyle = context.fillStyle;
  context.lineCap = 'round';
  context.lineWidth = size * 0.15;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x, y - size);
  context.stroke();
  context.lineWidth = size * 0.11;
  context.beginPath();
  arm(-1, 0.36, 0.68);
  arm(1, 0.48, 0.84);
  context.stroke();
}

/** Sand carried by the wind, low over the ground. */
function createDust(stage: Stage, colour: Colour, horizon: number): Drawing {
  const { width, height, unit, direction, random } = stage;
  const grains = Array.from({ length: 150 }, () => ({
    x: random() * width * 1.2,
    y: horizon + (height - horizon) * random(),
    length: unit * between(random, 0.5, 2.6),
    speed: unit * between(random, 9, 26),
    phase: random() * 7,
  }));
  return (context, time) => {
    context.strokeStyle = css(colour, 0.3);
    context.lineWidth = unit * 0.12;
    context.beginPath();
    for (const { x, y, length, speed, phase } of grains) {
      const at = wrap(x + time * speed * direction.pace, width * 1.2) - width * 0.1;
      const lift = Math.sin(time * 1.3 + phase) * unit * 0.8;
      context.moveTo(at, y + lift);
      context.lineTo(at + length, y + lift - length * 0.06);
    }
    context.stroke();
  };
}
