import type { SKRSContext2D } from '@napi-rs/canvas';
import { clamp, wrap } from '../../easing.ts';
import type { View } from '../../picture/camera.ts';
import { type Colour, css, lighten, mix, WHITE } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import type { Stage } from '../scene.ts';
import { drawLayer, marginX, marginY, paintFull, paintSoft } from './layer.ts';

/** The sky of outdoor scenes: gradient, stars, sun or moon with their glow, and drifting clouds. */
export interface Sky {
  /** Where the sun or moon stands, in frame pixels. */
  readonly light: { readonly x: number; readonly y: number };
  draw(context: SKRSContext2D, time: number, view: View): void;
}

const DEPTH = 0.04;

/** Paints a sky down to `horizon` (frame pixels from the top). */
export function createSky(stage: Stage, horizon: number): Sky {
  const { width, height, unit, direction, palette, random } = stage;
  const night = direction.light === 'night';
  const overcast =
    direction.weather === 'rain' || direction.weather === 'storm' || direction.weather === 'fog';
  const low = direction.light === 'dawn' || direction.light === 'dusk';
  const light = {
    x: width * between(random, 0.58, 0.76),
    y:
      low && !direction.subjects.includes('moon')
        ? horizon - unit * between(random, 5, 12)
        : horizon * between(random, 0.26, 0.38),
  };
  const back = paintFull(stage, DEPTH, (context) => {
    paintGradient(context, stage, horizon);
    if (night && !overcast) paintStars(context, stage, horizon);
    paintGlow(context, stage, light, overcast ? 0.35 : 1);
    if (!overcast)
      (night || direction.subjects.includes('moon') ? paintMoon : paintSun)(context, stage, light);
    ditherSky(context, stage);
  });
  const cloudiness = overcast ? 1 : direction.light === 'night' ? 0.25 : 0.55;
  const clouds = createClouds(stage, horizon, light, cloudiness);
  return {
    light,
    draw(context, time, view) {
      drawLayer(context, stage, view, back);
      clouds(context, time, view);
    },
  };

  function paintGradient(context: SKRSContext2D, _stage: Stage, base: number): void {
    const margin = marginY(stage);
    const gradient = context.createLinearGradient(0, -margin, 0, base);
    gradient.addColorStop(0, css(palette.sky[0]));
    gradient.addColorStop(0.58, css(palette.sky[1]));
    gradient.addColorStop(1, css(palette.sky[2]));
    context.fillStyle = gradient;
    context.fillRect(-marginX(stage), -margin, width + 2 * marginX(stage), height + 2 * margin);
  }
}

function paintStars(context: SKRSContext2D, stage: Stage, horizon: number): void {
  const { width, unit, random } = stage;
  const margin = marginX(stage);
  for (let i = 0; i < 420; i++) {
    const y = horizon * random() ** 1.3;
    const size = unit * 0.1 * (0.5 + random() ** 6 * 2.4);
    context.fillStyle = css(
      mix(WHITE, stage.palette.glow, random()),
      between(random, 0.25, 0.95) * (1 - (y / horizon) ** 3),
    );
    context.beginPath();
    context.arc(between(random, -margin, width + margin), y, size, 0, Math.PI * 2);
    context.fill();
  }
}

function paintGlow(
  context: SKRSContext2D,
  stage: Stage,
  at: { x: number; y: number },
  strength: number,
): void {
  const { unit, palette, direction } = stage;
  const night = direction.light === 'night';
  for (const [radius, alpha] of [
    [75, night ? 0.16 : 0.42],
    [28, night ? 0.2 : 0.5],
    [11, 0.45],
  ] as const) {
    const gradient = context.createRadialGradient(at.x, at.y, 0, at.x, at.y, radius * unit);
    gradient.addColorStop(0, css(palette.glow, alpha * strength));
    gradient.addColorStop(0.4, css(palette.glow, alpha * 0.34 * strength));
    gradient.addColorStop(1, css(palette.glow, 0));
    context.fillStyle = gradient;
    context.fillRect(at.x - radius * unit, at.y - radius * unit, radius * unit * 2, radius * unit * 2);
  }
}

function paintSun(
  context: SKRSContext2D,
  { unit, palette, direction }: Stage,
  at: { x: number; y: number },
): void {
  const radius = unit * (direction.light === 'day' ? 4.4 : 6.2);
  const gradient = context.createLinearGradient(0, at.y - radius, 0, at.y + radius);
  gradient.addColorStop(0, css(lighten(palette.glow, 0.7)));
  gradient.addColorStop(1, css(lighten(palette.glow, 0.15)));
  disc(context, at, radius, gradient);
}

function paintMoon(context: SKRSContext2D, stage: Stage, at: { x: number; y: number }): void {
  const { unit, palette, random } = stage;
  const radius = unit * 5.4;
  const face = lighten(palette.glow, 0.4);
  const shade = context.createRadialGradient(
    at.x - radius * 0.35,
    at.y - radius * 0.35,
    radius * 0.2,
    at.x,
    at.y,
    radius,
  );
  shade.addColorStop(0, css(lighten(face, 0.6)));
  shade.addColorStop(1, css(mix(face, palette.sky[1], 0.28)));
  disc(context, at, radius, shade);
  context.save();
  context.beginPath();
  context.arc(at.x, at.y, radius, 0, Math.PI * 2);
  context.clip();
  for (let i = 0; i < 9; i++) {
    const spot = {
      x: at.x + between(random, -0.75, 0.75) * radius,
      y: at.y + between(random, -0.75, 0.75) * radius,
    };
    disc(context, spot, radius * between(random, 0.07, 0.3), css(palette.sky[1], 0.1));
  }
  context.restore();
}

function disc(
  context: SKRSContext2D,
  { x, y }: { x: number; y: number },
  radius: number,
  fill: SKRSContext2D['fillStyle'],
): void {
  context.fillStyle = fill;
  context.beginPath();
  context.arc(x, y, radius, 0, Math.PI * 2);
  context.fill();
}

/** Random grains. Each row starts at its own place in them, so that no pattern shows. */
const GRAINS = 8192;

/** A grain of one or two levels, painted into the sky once. Without it 8-bit gradients show bands. */
export function ditherSky(context: SKRSContext2D, { random }: Pick<Stage, 'random'>): void {
  const { width, height } = context.canvas;
  // Whole levels, because adding fractions to whole levels and rounding again takes several times as long.
  const grains = Int8Array.from({ length: GRAINS }, () => Math.round((random() + random() - 1) * 3.2));
  const image = context.getImageData(0, 0, width, height);
  // The array clamps values to 0-255.
  const { data } = image;
  for (let y = 0, i = 0; y < height; y++) {
    const start = Math.floor(random() * GRAINS);
    for (let x = 0; x < width; x++, i += 4) {
      const grain = grains[(start + x) % GRAINS] ?? 0;
      data[i] = (data[i] ?? 0) + grain;
      data[i + 1] = (data[i + 1] ?? 0) + grain;
      data[i + 2] = (data[i + 2] ?? 0) + grain;
    }
  }
  context.putImageData(image, 0, 0);
}

function createClouds(
  stage: Stage,
  horizon: number,
  light: { x: number },
  cloudiness: number,
): (context: SKRSContext2D, time: number, view: View) => void {
  const { width, unit, palette, direction, random } = stage;
  const lit = mix(palette.sky[2], palette.glow, direction.light === 'night' ? 0.12 : 0.55);
  const shade = mix(palette.sky[1], palette.sky[0], 0.35);
  const layers = [0.42, 0.75].map((part, index) => {
    const band = { top: -marginY(stage), bottom: horizon };
    const layer = paintSoft(stage, 0.05 + index * 0.05, band, 5, (context) => {
      const count = Math.round((7 + width / unit / 14) * cloudiness * (index === 0 ? 0.8 : 1.2));
      for (let i = 0; i < count; i++) {
        const x = between(random, -0.12, 1.12) * width;
        const y = horizon * part * between(random, 0.35, 1.15);
        const near = 1 - clamp(Math.abs(x - light.x) / (width * 0.6), 0, 1);
        paintCloud(
          context,
          stage,
          x,
          y,
          unit * between(random, 9, 20) * (1 - index * 0.3),
          mix(shade, lit, 0.25 + near * 0.75),
        );
      }
    });
    return { layer, speed: unit * (0.45 + index * 0.35) * direction.pace };
  });
  return (context, time, view) => {
    for (const { layer, speed } of layers) {
      // Clouds do not leave the frame. They sway over a distance that the margins cover.
      const reach = marginX(stage) * 0.5;
      const shift = wrap(time * speed + reach, reach * 4);
      drawLayer(context, stage, view, layer, shift < reach * 2 ? shift - reach : reach * 3 - shift);
    }
  };
}

function paintCloud(
  context: SKRSContext2D,
  { random }: Stage,
  x: number,
  y: number,
  size: number,
  colour: Colour,
): void {
  const puffs = 9;
  for (let i = 0; i < puffs; i++) {
    const part = i / (puffs - 1) - 0.5;
    const radius = size * (0.62 - Math.abs(part) * 0.7) * between(random, 0.6, 1.1);
    const centre = { x: x + part * size * 3, y: y + between(random, -0.1, 0.1) * size };
    const gradient = context.createRadialGradient(centre.x, centre.y, 0, centre.x, centre.y, radius);
    gradient.addColorStop(0, css(colour, 0.34));
    gradient.addColorStop(0.5, css(colour, 0.17));
    gradient.addColorStop(1, css(colour, 0));
    context.save();
    context.translate(0, centre.y * 0.62);
    context.scale(1, 0.38);
    disc(context, centre, radius, gradient);
    context.restore();
  }
}
