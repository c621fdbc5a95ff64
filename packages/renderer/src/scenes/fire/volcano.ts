import { createCanvas } from '@napi-rs/canvas';
import { css, darken, hex, mix } from '../../picture/colour.ts';
import { between, createNoise } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import { hazed, paintFir, paintRidge } from '../elements/land.ts';
import { atDepth, drawLayer, type Layer, marginX, marginY, paintBand } from '../elements/layer.ts';
import { createSky } from '../elements/sky.ts';
import { createSubjects } from '../elements/subjects.ts';
import type { Drawing, Point, SceneMaker, Stage } from '../scene.ts';
import { createSparks } from './sparks.ts';

/** A cone that throws fire, with a fountain, streams of lava, and a plume lit from below. */
export const createVolcano: SceneMaker = (stage) => {
  const { width, height, unit, palette, random } = stage;
  const horizon = height * 0.74;
  const sky = createSky(stage, horizon);
  const crater = { x: width * 0.5, y: height * 0.36 };
  const slope = coneSlope(stage, crater, horizon);
  const cone = paintCone(stage, crater, horizon, slope);
  const lava = createLava(stage, crater, horizon, slope);
  const front = paintRidge(
    stage,
    {
      depth: 0.8,
      base: height * 0.86,
      swing: unit * 3,
      bumps: 1.3,
      octaves: 3,
      top: darken(palette.near, 0.15),
      foot: darken(palette.near, 0.6),
    },
    (context, crest) => {
      context.fillStyle = css(darken(palette.near, 0.15));
      for (let x = -marginX(stage); x < width + marginX(stage); x += unit * between(random, 1.2, 3.6)) {
        const open = Math.min(1, 0.2 + Math.abs(x / width - 0.46) * 2);
        paintFir(context, x, crest(x) + unit, unit * between(random, 3, 9) * open);
      }
    },
  );
  const glow = createGlow(hex('#ff5a1f'));
  const hot = createGlow(hex('#ffc46b'));
  const plume = createPlume(stage, crater);
  const fountain = createFountain(stage, crater);
  const sparks = createSparks(stage, { ...crater, spread: unit * 6, rise: height * 0.34 }, 60);
  const subjects = createSubjects(stage, { ground: front.crest, depth: 0.8, sky: height * 0.2 });

  return {
    draw(context, time, view) {
      const flicker = 1 + Math.sin(time * 5.1) * 0.06 + Math.sin(time * 9.7) * 0.04;
      sky.draw(context, time, view);
      atDepth(context, stage, view, 0.3, () => {
        drawGlow(context, glow, crater, unit * 52 * flicker, 0.5);
        plume(context, time);
      });
      drawLayer(context, stage, view, cone);
      atDepth(context, stage, view, 0.3, () => {
        lava(context, time);
        drawGlow(context, hot, crater, unit * 12 * flicker, 0.8);
        fountain(context, time);
        sparks(context, time);
      });
      subjects.drawSky(context, time, view);
      drawLayer(context, stage, view, front.layer);
      subjects.drawGround(context, time, view);
    },
  };
};

/** Half the width of the cone at its foot. */
const reachOf = ({ width, unit }: Stage): number => Math.min(width * 0.62, unit * 62);

/** The height of the cone's side at each x. */
function coneSlope(stage: Stage, crater: Point, horizon: number): (x: number) => number {
  const { unit, random } = stage;
  const noise = createNoise(random, 4);
  const rim = unit * 5;
  const reach = reachOf(stage);
  return (x) => {
    const away = Math.max(0, Math.abs(x - crater.x) - rim);
    const part = Math.min(1.2, away / reach);
    return (
      crater.y +
      (horizon - crater.y + unit * 3) * part ** 0.72 +
      noise(x / unit / 9) * unit * (0.6 + part * 2.4)
    );
  };
}

function paintCone(stage: Stage, crater: Point, horizon: number, slope: (x: number) => number): Layer {
  const { width, height, unit, random } = stage;
  const reach = reachOf(stage);
  const rock = mix(hazed(stage, 0.22), hex('#3d1c18'), 0.4);
  return paintBand(stage, 0.3, { top: crater.y - unit * 6, bottom: height + marginY(stage) }, (context) => {
    const gradient = context.createLinearGradient(0, crater.y, 0, horizon);
    gradient.addColorStop(0, css(mix(rock, hex('#ff6a2a'), 0.42)));
    gradient.addColorStop(0.22, css(rock));
    gradient.addColorStop(1, css(darken(rock, 0.5)));
    context.fillStyle = gradient;
    context.beginPath();
    context.moveTo(-marginX(stage), height + marginY(stage));
    for (let x = -marginX(stage); x <= width + marginX(stage); x += unit * 0.5) context.lineTo(x, slope(x));
    context.lineTo(width + marginX(stage), height + marginY(stage));
    context.fill();
    context.strokeStyle = 'rgba(0,0,0,0.2)';
    context.lineWidth = unit * 0.3;
    for (let i = 0; i < 60; i++) {
      const x = crater.x + (random() + random() - 1) * reach;
      const y = slope(x) + unit * between(random, 1, 12);
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + (x - crater.x) * 0.05, y + unit * between(random, 2, 7));
      context.stroke();
    }
  });
}

/** Streams of lava down the cone. */
function createLava(stage: Stage, crater: Point, horizon: number, slope: (x: number) => number): Drawing {
  const { unit, random } = stage;
  const paths = [-0.32, 0.06, 0.4, 0.72].map((lean, index) => {
    const points: { x: number; y: number }[] = [];
    const bend = createNoise(random, 2);
    const length = [0.8, 1, 0.72, 0.5][index] ?? 0.6;
    for (let part = 0; part <= length; part += 0.025) {
      const x = crater.x + lean * unit * (4 + part * 40) + bend(part * 9) * unit * 6 * Math.min(1, part * 3);
      points.push({ x, y: Math.max(slope(x), crater.y + (horizon - crater.y) * part * 1.02) + unit * 0.3 });
    }
    return points;
  });
  const narrow = (step: number, { length }: { length: number }): number =>
    unit * (1 - step / length) * (0.8 + 0.3 * Math.sin(step * 0.9));
  return (context, time) => {
    context.globalCompositeOperation = 'lighter';
    for (const [index, points] of paths.entries()) {
      const pulse = 0.82 + 0.18 * Math.sin(time * 1.8 + index * 2);
      for (const [thick, colour] of [
        [2.2, `rgba(255,60,10,${0.2 * pulse})`],
        [0.9, `rgba(255,110,20,${0.55 * pulse})`],
        [0.34, `rgba(255,220,130,${0.85 * pulse})`],
      ] as const) {
        context.fillStyle = colour;
        context.beginPath();
        // Down one side and up the other. A stream narrows as it cools.
        for (const [step, { x, y }] of points.entries()) context.lineTo(x - narrow(step, points) * thick, y);
        for (const [step, { x, y }] of [...points.entries()].reverse()) {
          context.lineTo(x + narrow(step, points) * thick, y);
        }
        context.fill();
      }
      // Brighter lumps that run down the stream.
      context.fillStyle = 'rgba(255,236,170,0.75)';
      context.beginPath();
      for (let lump = 0; lump < 4; lump++) {
        const at = points[Math.floor(((time * 0.11 + lump / 4 + index * 0.13) % 1) * points.length)];
        if (!at) continue;
        context.moveTo(at.x, at.y);
        context.ellipse(at.x, at.y, unit * 0.2, unit * 0.36, 0, 0, Math.PI * 2);
      }
      context.fill();
    }
    context.globalCompositeOperation = 'source-over';
  };
}

/** How much smaller the plume is painted. It has no edges, and puffs cover each other many times over. */
const SHRINK = 4;

/** Ash and steam, red below and dark above. */
function createPlume(stage: Stage, crater: Point): Drawing {
  const { height, unit, palette, direction, random } = stage;
  const puffs = Array.from({ length: 30 }, (_, index) => ({
    phase: index / 30,
    side: between(random, -1, 1),
    turn: random() * 7,
  }));
  const ash = mix(palette.haze, hex('#4a3a3e'), 0.6);
  // One puff for each of a few tones, painted once.
  const tones = [0, 1, 2, 3, 4].map((step) =>
    createGlow(mix(hex('#e0562a'), ash, Math.min(1, 0.2 + step * 0.26))),
  );
  const area = plumeArea(stage, crater);
  const small = createCanvas(Math.ceil(area.width / SHRINK), Math.ceil(area.height / SHRINK));
  const inner = small.getContext('2d');
  inner.scale(1 / SHRINK, 1 / SHRINK);
  inner.translate(-area.x, -area.y);
  return (context, time) => {
    inner.clearRect(area.x, area.y, small.width * SHRINK, small.height * SHRINK);
    for (const { phase, side, turn } of puffs) {
      const age = (phase + time * 0.055 * direction.pace) % 1;
      const radius = unit * (5 + age * 21);
      const x =
        crater.x + side * unit * (2 + age * 15) + age * age * unit * 15 + Math.sin(time * 0.5 + turn) * unit;
      const y = crater.y - age * (crater.y + height * 0.06);
      const puff = tones[Math.min(tones.length - 1, Math.floor(age * tones.length * 1.5))];
      if (!puff) continue;
      inner.globalAlpha = Math.min(1, age * 7) * (1 - age) ** 0.7 * 0.85;
      inner.drawImage(puff, x - radius, y - radius, radius * 2, radius * 2);
    }
    context.drawImage(small, area.x, area.y, small.width * SHRINK, small.height * SHRINK);
  };
}

/** All that the puffs of a plume can cover within the frame and its margins. They rise faster than they widen. */
function plumeArea(stage: Stage, crater: Point): { x: number; y: number; width: number; height: number } {
  const { width, unit } = stage;
  const x = Math.max(-marginX(stage), Math.floor(crater.x - unit * 45));
  const y = -marginY(stage);
  const right = Math.min(width + marginX(stage), crater.x + unit * 60);
  return { x, y, width: right - x, height: crater.y + unit * 6 - y };
}

/** Lumps of lava on their curves through the air. */
function createFountain(stage: Stage, crater: Point): Drawing {
  const { unit, direction, random } = stage;
  const lumps = Array.from({ length: 120 }, () => ({
    sideways: (random() + random() + random() - 1.5) * unit * 15,
    up: unit * between(random, 14, 38),
    life: between(random, 0.9, 1.7),
    phase: random(),
    size: unit * between(random, 0.16, 0.5),
  }));
  const gravity = unit * 40;
  return (context, time) => {
    context.globalCompositeOperation = 'lighter';
    for (const [from, to, colour] of [
      [0, 0.3, 'rgba(255,240,180,0.95)'],
      [0.3, 0.65, 'rgba(255,160,60,0.9)'],
      [0.65, 1, 'rgba(240,70,24,0.8)'],
    ] as const) {
      context.fillStyle = colour;
      context.beginPath();
      for (const { sideways, up, life, phase, size } of lumps) {
        const age = ((time * direction.pace) / life + phase) % 1;
        if (age < from || age >= to) continue;
        const seconds = age * life;
        const x = crater.x + sideways * seconds;
        const y = crater.y - up * seconds + (gravity * seconds * seconds) / 2;
        context.moveTo(x + size, y);
        context.arc(x, y, size * (1 - age * 0.5), 0, Math.PI * 2);
      }
      context.fill();
    }
    context.globalCompositeOperation = 'source-over';
  };
}
