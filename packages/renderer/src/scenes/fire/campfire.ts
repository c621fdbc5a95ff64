import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { type Colour, css, darken, hex, lighten, mix } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import { hazed, type PaintedRidge, paintFir, paintRidge } from '../elements/land.ts';
import { atDepth, drawLayer, marginX } from '../elements/layer.ts';
import { createSky } from '../elements/sky.ts';
import { createSubjects } from '../elements/subjects.ts';
import type { SceneMaker, Stage } from '../scene.ts';
import { createSparks } from './sparks.ts';

/** A fire in a forest clearing, with flames, embers and their light. */
export const createCampfire: SceneMaker = (stage) => {
  const { width, height, unit, palette, direction } = stage;
  const horizon = height * 0.62;
  const sky = createSky(stage, horizon);
  const hearth = { x: width * 0.5, y: height * 0.79 };
  const rows = [0, 1, 2].map((index) => paintFirs(stage, horizon, index));
  const ground = paintRidge(stage, {
    depth: 0.62,
    base: height * 0.76,
    swing: unit * 1.2,
    bumps: 1.2,
    octaves: 2,
    top: mix(darken(palette.near, 0.1), hex('#4a2a14'), 0.35),
    foot: darken(palette.near, 0.55),
  });
  const own = direction.colours.length > 0 ? palette.accent : hex('#ff7a1f');
  const light = createGlow(mix(own, hex('#ff8a30'), 0.4));
  const flames = createFlames(stage, own);
  const sparks = createSparks(
    stage,
    { x: hearth.x, y: hearth.y - unit * 7, spread: unit * 4, rise: height * 0.62 },
    84,
  );
  const subjects = createSubjects(stage, {
    ground: (x) => ground.crest(x) + unit * 5,
    depth: 0.62,
    sky: horizon * 0.4,
    rim: mix(hex('#7a3a14'), own, 0.3),
  });

  return {
    draw(context, time, view) {
      const flicker =
        1 + Math.sin(time * 7.3) * 0.05 + Math.sin(time * 11.9 + 1) * 0.04 + Math.sin(time * 3.1) * 0.04;
      sky.draw(context, time, view);
      subjects.drawSky(context, time, view);
      for (const { layer } of rows) drawLayer(context, stage, view, layer);
      drawLayer(context, stage, view, ground.layer);
      atDepth(context, stage, view, 0.62, () => {
        drawGlow(context, light, { x: hearth.x, y: hearth.y - unit * 8 }, unit * 62 * flicker, 0.42);
        drawGlow(context, light, { x: hearth.x, y: hearth.y + unit * 1.4 }, unit * 44 * flicker, 0.62, 0.2);
      });
      subjects.drawGround(context, time, view);
      atDepth(context, stage, view, 0.62, () => {
        paintLogs(context, stage, hearth);
        flames(context, hearth, time);
        paintStones(context, stage, hearth);
        sparks(context, time);
      });
    },
  };
};

/** One of three rows of firs around the clearing. The third is the nearest. */
function paintFirs(stage: Stage, horizon: number, index: number): PaintedRidge {
  const { width, unit, random } = stage;
  const near = index / 2;
  const colour = mix(hazed(stage, 0.5 - near * 0.42), hex('#3a1a0c'), 0.1 + near * 0.12);
  return paintRidge(
    stage,
    {
      depth: 0.14 + near * 0.36,
      base: horizon + unit * (-1 + near * 6),
      swing: unit * 2,
      bumps: 1.6,
      octaves: 2,
      headroom: unit * 38,
      top: colour,
      foot: darken(colour, 0.3),
    },
    (context, crest) => {
      context.fillStyle = css(colour);
      const step = unit * (1.8 + near * 3.4);
      for (let x = -marginX(stage); x < width + marginX(stage); x += step * between(random, 0.5, 1.3)) {
        // The clearing opens towards the viewer.
        const open = Math.min(1, 0.34 + Math.abs(x / width - 0.5) * (1.2 + near * 1.1));
        paintFir(context, x, crest(x) + unit, unit * between(random, 10, 19) * (0.75 + near * 1.05) * open);
      }
    },
  );
}

/** How much smaller flames are painted. Scaling them up makes them soft. */
const SHRINK = 3;

/** Tongues of flame in three temperatures, the hottest inside. */
function createFlames(
  stage: Stage,
  own: Colour,
): (context: SKRSContext2D, at: { x: number; y: number }, time: number) => void {
  const { unit, direction, random } = stage;
  const size = { width: unit * 34, height: unit * 40 };
  const canvas = createCanvas(Math.ceil(size.width / SHRINK), Math.ceil(size.height / SHRINK));
  const inner = canvas.getContext('2d');
  const heats = [
    { colour: mix(own, hex('#ff3a0a'), 0.45), width: 5.4, height: 25, count: 7, alpha: 0.5 },
    { colour: mix(own, hex('#ff9d2e'), 0.5), width: 4, height: 18, count: 6, alpha: 0.55 },
    { colour: lighten(mix(own, hex('#ffe08a'), 0.8), 0.25), width: 2.7, height: 11.5, count: 5, alpha: 0.75 },
  ].map((heat) => ({
    ...heat,
    tongues: Array.from({ length: heat.count }, (_, index) => ({
      place: heat.count === 1 ? 0 : (index / (heat.count - 1)) * 2 - 1,
      phase: random() * 9,
      speed: between(random, 0.8, 1.3),
    })),
  }));
  const pace = Math.max(0.75, direction.pace);
  return (context, at, time) => {
    inner.setTransform(1, 0, 0, 1, 0, 0);
    inner.clearRect(0, 0, canvas.width, canvas.height);
    inner.scale(1 / SHRINK, 1 / SHRINK);
    inner.translate(size.width / 2, size.height - unit * 3);
    inner.globalCompositeOperation = 'lighter';
    for (const { colour, width, height, alpha, tongues } of heats) {
      const gradient = inner.createLinearGradient(0, 0, 0, -height * unit);
      gradient.addColorStop(0, css(colour, alpha * 0.55));
      gradient.addColorStop(0.25, css(colour, alpha));
      gradient.addColorStop(1, css(colour, 0));
      inner.fillStyle = gradient;
      for (const tongue of tongues) drawTongue(inner, unit, { width, height }, tongue, time * pace);
    }
    context.globalCompositeOperation = 'lighter';
    context.drawImage(canvas, at.x - size.width / 2, at.y - size.height + unit * 3, size.width, size.height);
    context.globalCompositeOperation = 'source-over';
  };
}

interface Tongue {
  /** -1 at the left end of the fire, 1 at the right. */
  readonly place: number;
  readonly phase: number;
  readonly speed: number;
}

function drawTongue(
  context: SKRSContext2D,
  unit: number,
  { width, height }: { readonly width: number; readonly height: number },
  { place, phase, speed }: Tongue,
  time: number,
): void {
  const beat = time * 3.4 * speed + phase;
  const rise =
    unit *
    height *
    (1 - 0.5 * place * place) *
    (0.72 + 0.2 * Math.sin(beat) + 0.1 * Math.sin(beat * 2.7 + 1));
  const x = place * unit * width;
  const half = unit * width * (0.62 - 0.2 * Math.abs(place));
  const sway = (Math.sin(beat * 0.8 + 2) + 0.5 * Math.sin(beat * 1.9)) * unit * 1.5;
  const tip = { x: x * 0.35 + sway, y: -rise };
  context.beginPath();
  context.moveTo(x - half, unit);
  context.bezierCurveTo(
    x - half * 1.5,
    -rise * 0.32,
    tip.x - half * 0.2 - sway * 0.7,
    -rise * 0.58,
    tip.x,
    tip.y,
  );
  context.bezierCurveTo(
    tip.x + half * 0.5 - sway * 0.3,
    -rise * 0.55,
    x + half * 1.5,
    -rise * 0.3,
    x + half,
    unit,
  );
  context.closePath();
  context.fill();
}

function paintLogs(context: SKRSContext2D, { unit }: Stage, { x, y }: { x: number; y: number }): void {
  context.lineCap = 'round';
  for (const [from, to, lift, colour] of [
    [-8, 5, 1.6, '#2a130a'],
    [8, -5, 1.2, '#361a0e'],
    [-6.5, 7.5, -0.6, '#3f2012'],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = unit * 1.9;
    context.beginPath();
    context.moveTo(x + from * unit, y + unit * 1.2);
    context.lineTo(x + to * unit, y - lift * unit);
    context.stroke();
    context.strokeStyle = 'rgba(255,120,40,0.5)';
    context.lineWidth = unit * 0.26;
    context.beginPath();
    context.moveTo(x + from * unit * 0.8, y + unit * 0.6);
    context.lineTo(x + to * unit * 0.8, y - lift * unit * 0.8 - unit * 0.5);
    context.stroke();
  }
}

function paintStones(context: SKRSContext2D, { unit }: Stage, { x, y }: { x: number; y: number }): void {
  for (let i = 0; i < 11; i++) {
    const turn = (i / 10) * Math.PI;
    const at = { x: x - Math.cos(turn) * unit * 10.5, y: y + unit * 1.2 + Math.sin(turn) * unit * 2.3 };
    const size = unit * (1.15 + 0.4 * Math.sin(i * 5.1));
    context.fillStyle = '#17110f';
    context.beginPath();
    context.ellipse(at.x, at.y, size * 1.2, size * 0.85, 0, 0, Math.PI * 2);
    context.fill();
    // The side that faces the fire.
    context.fillStyle = 'rgba(255,138,60,0.5)';
    context.beginPath();
    context.ellipse(at.x + (x - at.x) * 0.05, at.y - size * 0.42, size * 0.8, size * 0.3, 0, 0, Math.PI * 2);
    context.fill();
  }
}
