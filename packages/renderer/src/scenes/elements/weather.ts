import { wrap } from '../../easing.ts';
import { css, mix, WHITE } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import type { Drawing, Stage } from '../scene.ts';

/** Draws rain, snow, fog or lightning over a finished scene. */
export type Weather = Drawing;

/** The weather of a direction; undefined if it is clear. Scenes under water and in space have none. */
export function createWeather(stage: Stage): Weather | undefined {
  const { scene: kind, weather } = stage.direction;
  if (kind === 'space' || kind === 'underwater') return undefined;
  switch (weather) {
    case 'rain':
      return createRain(stage, 1);
    case 'storm':
      return combine(createRain(stage, 1.5), createLightning(stage));
    case 'snow':
      return createSnow(stage);
    case 'fog':
      return createFog(stage);
    case 'clear':
      return undefined;
  }
}

const combine =
  (first: Weather, second: Weather): Weather =>
  (context, time) => {
    first(context, time);
    second(context, time);
  };

/** Three layers of streaks. Near ones are longer and faster. One path for each layer, because strokes are expensive and path points cheap. */
function createRain(stage: Stage, strength: number): Weather {
  const { width, height, unit, random, palette, direction } = stage;
  const slant = 0.16 * strength;
  const sheets = [0, 1, 2].map((index) => ({
    length: unit * (2.4 + index * 2.6),
    speed: unit * (85 + index * 55) * strength,
    width: unit * (0.1 + index * 0.06),
    colour: css(mix(palette.haze, WHITE, 0.65), 0.2 + index * 0.08),
    drops: Array.from({ length: Math.round((150 - index * 42) * strength) }, () => ({
      x: random() * width * 1.2,
      y: random() * height,
      speed: between(random, 0.85, 1.2),
    })),
  }));
  const pace = Math.max(0.8, direction.pace);
  return (context, time) => {
    for (const { length, speed, width: line, colour, drops } of sheets) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.beginPath();
      for (const drop of drops) {
        const fall = time * speed * drop.speed * pace;
        const y = wrap(drop.y + fall, height + length) - length;
        const x = wrap(drop.x - fall * slant, width * 1.2) - width * 0.1;
        context.moveTo(x, y);
        context.lineTo(x - length * slant, y + length);
      }
      context.stroke();
    }
  };
}

function createLightning(stage: Stage): Weather {
  const { width, height, unit, duration, random } = stage;
  const flashes = Array.from({ length: Math.max(1, Math.round(duration / 2.4)) }, (_, index) => ({
    at: (index + between(random, 0.25, 0.85)) * 2.4 * Math.min(1, duration / 2.4),
    bolt: createBolt(stage, between(random, 0.2, 0.8) * width, height * 0.62),
  }));
  return (context, time) => {
    for (const { at, bolt } of flashes) {
      const since = time - at;
      if (since < 0 || since > 0.55) continue;
      // Like lightning, two strokes in quick succession.
      const light = Math.max(Math.exp(-since * 16), since > 0.12 ? 0.8 * Math.exp(-(since - 0.12) * 9) : 0);
      context.fillStyle = `rgba(205,220,255,${0.4 * light})`;
      context.fillRect(0, 0, width, height);
      if (light < 0.25) continue;
      context.strokeStyle = `rgba(240,245,255,${light})`;
      context.lineJoin = 'round';
      for (const [line, alpha] of [
        [1.3, 0.2],
        [0.35, 1],
      ] as const) {
        context.globalAlpha = alpha;
        context.lineWidth = unit * line;
        context.beginPath();
        for (const [index, point] of bolt.entries()) {
          if (index === 0) context.moveTo(point.x, point.y);
          else context.lineTo(point.x, point.y);
        }
        context.stroke();
      }
      context.globalAlpha = 1;
    }
  };
}

function createBolt({ unit, random }: Stage, x: number, bottom: number): { x: number; y: number }[] {
  const points = [{ x, y: -unit }];
  for (let y = 0; y < bottom; y += unit * between(random, 2, 5)) {
    const last = points.at(-1);
    points.push({ x: (last?.x ?? x) + between(random, -4, 4.4) * unit, y });
  }
  return points;
}

function createSnow(stage: Stage): Weather {
  const { width, height, unit, random, direction } = stage;
  const storm = direction.pace > 1 ? 2.4 : 1;
  const flakes = Array.from({ length: 260 }, () => {
    const near = random() ** 2.2;
    return {
      x: random() * width * 1.2,
      y: random() * height,
      near,
      size: unit * (0.14 + near * 0.42),
      sway: between(random, 0.5, 1.4),
      phase: random() * 7,
    };
  });
  const groups = [0.5, 0.75, 0.95].map((alpha, index) => ({
    colour: `rgba(255,255,255,${alpha})`,
    flakes: flakes.filter(({ near }) => Math.min(2, Math.floor(near * 3)) === index),
  }));
  return (context, time) => {
    for (const { colour, flakes: some } of groups) {
      context.fillStyle = colour;
      context.beginPath();
      for (const { x, y, near, size, sway, phase } of some) {
        const fall = time * unit * (5 + near * 15) * Math.max(0.7, direction.pace);
        const cx =
          wrap(
            x + Math.sin(time * sway + phase) * unit * (1 + near * 2.4) - fall * 0.25 * storm,
            width * 1.2,
          ) -
          width * 0.1;
        const cy = wrap(y + fall, height + size * 2) - size;
        context.moveTo(cx + size, cy);
        context.arc(cx, cy, size, 0, Math.PI * 2);
      }
      context.fill();
    }
  };
}

function createFog(stage: Stage): Weather {
  const { width, height, unit, palette, random } = stage;
  const banks = Array.from({ length: 5 }, (_, index) => ({
    x: random() * width,
    y: height * (0.5 + index * 0.11),
    radius: unit * between(random, 38, 60),
    speed: unit * between(random, 0.8, 2.4) * (index % 2 === 0 ? 1 : -1),
  }));
  return (context, time) => {
    for (const { x, y, radius, speed } of banks) {
      const cx = wrap(x + time * speed + radius, width + radius * 2) - radius;
      context.save();
      context.translate(cx, y);
      context.scale(1.7, 0.3);
      const gradient = context.createRadialGradient(0, 0, 0, 0, 0, radius);
      gradient.addColorStop(0, css(palette.haze, 0.34));
      gradient.addColorStop(1, css(palette.haze, 0));
      context.fillStyle = gradient;
      context.fillRect(-radius, -radius, radius * 2, radius * 2);
      context.restore();
    }
  };
}
