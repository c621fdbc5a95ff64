import { css, darken, mix } from '../picture/colour.ts';
import { between } from '../random.ts';
import { hazed, paintFir, paintRidge } from './elements/land.ts';
import { drawLayer, marginX, paintSoft } from './elements/layer.ts';
import { createSky } from './elements/sky.ts';
import { createSubjects } from './elements/subjects.ts';
import type { SceneMaker, Stage } from './scene.ts';

/** Ranges one behind another, with mist between them and firs in front. */
export const createMountains: SceneMaker = (stage) => {
  const { height, unit, palette, direction, random } = stage;
  const horizon = height * 0.66;
  // Ranges are lower in wide frames, so that there is sky above them.
  const rise = Math.min(unit, height / 80);
  const sky = createSky(stage, horizon);
  const ranges = [0, 1, 2, 3].map((index) => {
    const part = index / 3;
    const colour = hazed(stage, 0.86 - part * 0.62);
    const range = paintRidge(stage, {
      depth: 0.1 + part * 0.4,
      base: horizon - rise * (17 - part * 16),
      swing: rise * (14 - part * 5.5),
      bumps: 2.2 + part * 2.2,
      octaves: 5,
      sharp: index < 3,
      top: colour,
      foot: mix(colour, palette.haze, 0.62 - part * 0.2),
    });
    return { range, mist: paintMist(stage, horizon + unit * (part * 12 - 6), 0.12 + part * 0.42) };
  });
  const front = paintRidge(
    stage,
    {
      depth: 0.85,
      base: height * 0.86,
      swing: unit * 4.5,
      bumps: 1.4,
      octaves: 2,
      top: darken(palette.near, 0.1),
      foot: darken(palette.near, 0.45),
    },
    (context, crest) => {
      context.fillStyle = css(darken(palette.near, 0.1));
      const margin = marginX(stage);
      for (let x = -margin; x < stage.width + margin; x += unit * between(random, 0.9, 2.6)) {
        const clearing = Math.abs(x / stage.width - 0.42) < 0.13 ? 0.35 : 1;
        paintFir(context, x, crest(x) + unit, unit * between(random, 4, 11.5) * clearing);
      }
    },
  );
  const subjects = createSubjects(stage, { ground: (x) => front.crest(x), depth: 0.85, sky: horizon * 0.55 });
  return {
    draw(context, time, view) {
      sky.draw(context, time, view);
      for (const [index, { range, mist }] of ranges.entries()) {
        drawLayer(context, stage, view, range.layer);
        const drift = Math.sin(time * 0.16 * direction.pace + index * 2) * unit * 2.4;
        drawLayer(context, stage, view, mist, drift);
      }
      subjects.drawSky(context, time, view);
      drawLayer(context, stage, view, front.layer);
      subjects.drawGround(context, time, view);
    },
  };
};

/** A bank of mist around a height. */
function paintMist(stage: Stage, y: number, depth: number) {
  const { width, unit, palette, random, direction } = stage;
  const strength = direction.weather === 'fog' ? 0.3 : 0.13;
  return paintSoft(stage, depth, { top: y - unit * 11, bottom: y + unit * 13 }, 6, (context) => {
    for (let i = 0; i < 16; i++) {
      const x = between(random, -0.15, 1.15) * width;
      const radius = unit * between(random, 12, 26);
      const cy = y + between(random, -2, 4) * unit;
      context.save();
      context.translate(x, cy);
      context.scale(1, 0.32);
      const gradient = context.createRadialGradient(0, 0, 0, 0, 0, radius);
      gradient.addColorStop(0, css(palette.haze, strength));
      gradient.addColorStop(1, css(palette.haze, 0));
      context.fillStyle = gradient;
      context.fillRect(-radius, -radius, radius * 2, radius * 2);
      context.restore();
    }
  });
}
