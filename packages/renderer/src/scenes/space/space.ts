import type { SKRSContext2D } from '@napi-rs/canvas';
import { wrap } from '../../easing.ts';
import { type Colour, css, darken, hex, lighten, mix, WHITE } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import { atDepth, drawLayer, type Layer, marginX, marginY, paintFull, paintSoft } from '../elements/layer.ts';
import * as silhouettes from '../elements/silhouettes.ts';
import { ditherSky } from '../elements/sky.ts';
import { figureAt } from '../elements/subjects.ts';
import type { Drawing, SceneMaker, Stage } from '../scene.ts';
import { createPlanet } from './planet.ts';

const DEEP = hex('#03040d');

/** A nebula, drifting stars, a ringed planet, and travellers. */
export const createSpace: SceneMaker = (stage) => {
  const { width, height, direction, palette } = stage;
  const tinted = direction.colours.length > 0;
  const hues: readonly [Colour, Colour, Colour] = tinted
    ? [palette.accent, mix(palette.accent, hex('#3a2f8f'), 0.5), lighten(palette.accent, 0.3)]
    : [hex('#4a2fa8'), hex('#126a9c'), hex('#d0508f')];
  const back = paintFull(stage, 0.03, (context) => {
    context.fillStyle = css(mix(DEEP, hues[1], 0.07));
    context.fillRect(
      -marginX(stage),
      -marginY(stage),
      width + 2 * marginX(stage),
      height + 2 * marginY(stage),
    );
    const nebula = paintNebula(stage, hues);
    context.drawImage(nebula.canvas, nebula.x, nebula.y);
    paintStars(context, stage, hues[2]);
    ditherSky(context, stage);
  });
  const stars = createDrift(stage);
  const planet = createPlanet(stage, tinted ? palette.accent : hex('#d99a66'), hues[1]);
  const travellers = createTravellers(stage);
  const comets = createComets(stage);

  return {
    draw(context, time, view) {
      drawLayer(context, stage, view, back);
      stars(context, time);
      comets(context, time);
      atDepth(context, stage, view, 0.5, () => planet(context, time));
      atDepth(context, stage, view, 0.95, () => travellers(context, time));
    },
  };
};

/** Clouds of light along a slanted band, with dark lanes between them. */
function paintNebula(stage: Stage, hues: readonly Colour[]): Layer {
  const { width, height, unit, random } = stage;
  const band = { top: -marginY(stage), bottom: height + marginY(stage) };
  return paintSoft(stage, 0.03, band, 4, (context) => {
    const blob = (colour: Colour, alpha: number, least: number, most: number, spread: number): void => {
      const along = between(random, -0.2, 1.2);
      const across = (random() + random() + random() - 1.5) * spread;
      const x = along * width + across * unit * 8;
      const y = height * (0.78 - along * 0.52) + across * unit * 26;
      const radius = unit * between(random, least, most);
      const gradient = context.createRadialGradient(x, y, 0, x, y, radius);
      gradient.addColorStop(0, css(colour, alpha));
      gradient.addColorStop(0.45, css(colour, alpha * 0.42));
      gradient.addColorStop(1, css(colour, 0));
      context.fillStyle = gradient;
      context.fillRect(x - radius, y - radius, radius * 2, radius * 2);
    };
    context.globalCompositeOperation = 'lighter';
    for (let i = 0; i < 46; i++) blob(hues[i % 2] ?? WHITE, 0.13, 14, 44, 1);
    for (let i = 0; i < 60; i++) blob(hues[2] ?? WHITE, 0.1, 4, 18, 0.62);
    for (let i = 0; i < 40; i++) blob(lighten(hues[2] ?? WHITE, 0.55), 0.075, 3, 10, 0.34);
    context.globalCompositeOperation = 'source-over';
    for (let i = 0; i < 44; i++) blob(DEEP, 0.2, 3, 13, 0.8);
  });
}

function paintStars(context: SKRSContext2D, stage: Stage, hue: Colour): void {
  const { width, height, unit, random } = stage;
  for (let i = 0; i < 1100; i++) {
    context.fillStyle = css(mix(WHITE, hue, random() * 0.5), between(random, 0.15, 0.85));
    context.beginPath();
    const x = between(random, -0.12, 1.12) * width;
    const y = between(random, -0.12, 1.12) * height;
    context.arc(x, y, unit * (0.03 + random() ** 5 * 0.13), 0, Math.PI * 2);
    context.fill();
  }
}

/** Near stars that drift past and twinkle. The brightest have rays. */
function createDrift(stage: Stage): Drawing {
  const { width, height, unit, direction, random } = stage;
  const glow = createGlow(hex('#cfe0ff'));
  const stars = Array.from({ length: 56 }, () => {
    const near = random() ** 2;
    return {
      x: random() * width,
      y: random() * height,
      near,
      size: unit * (0.1 + near * 0.2),
      speed: unit * (0.25 + near * 2.2) * direction.pace,
      twinkle: between(random, 1, 3.2),
      phase: random() * 7,
    };
  });
  return (context, time) => {
    for (const { x, y, near, size, speed, twinkle, phase } of stars) {
      const at = { x: wrap(x - time * speed + unit * 4, width + unit * 8) - unit * 4, y };
      const bright = 0.55 + 0.45 * Math.sin(time * twinkle + phase);
      drawGlow(context, glow, at, size * 9, 0.3 * bright + 0.1);
      context.fillStyle = `rgba(255,255,255,${0.35 + 0.6 * bright})`;
      context.beginPath();
      context.arc(at.x, at.y, size, 0, Math.PI * 2);
      context.fill();
      if (near < 0.62) continue;
      const ray = size * (6 + 5 * bright);
      context.fillRect(at.x - ray, at.y - size * 0.12, ray * 2, size * 0.24);
      context.fillRect(at.x - size * 0.12, at.y - ray, size * 0.24, ray * 2);
    }
  };
}

/** A shooting star every few seconds. */
function createComets(stage: Stage): Drawing {
  const { width, height, unit, random } = stage;
  const period = between(random, 2.6, 3.6);
  const starts = Array.from({ length: 8 }, () => ({
    x: between(random, 0.15, 0.7) * width,
    y: between(random, 0.05, 0.4) * height,
  }));
  return (context, time) => {
    const since = wrap(time + period * 0.6, period);
    const start = starts[Math.floor((time + period * 0.6) / period) % starts.length];
    if (!start || since > 0.8) return;
    const head = { x: start.x + since * unit * 58, y: start.y + since * unit * 22 };
    const tail = { x: head.x - unit * 13, y: head.y - unit * 5 };
    const alpha = Math.sin((since / 0.8) * Math.PI);
    const gradient = context.createLinearGradient(head.x, head.y, tail.x, tail.y);
    gradient.addColorStop(0, `rgba(255,255,255,${0.95 * alpha})`);
    gradient.addColorStop(1, 'rgba(160,200,255,0)');
    context.strokeStyle = gradient;
    context.lineWidth = unit * 0.26;
    context.lineCap = 'round';
    context.beginPath();
    context.moveTo(head.x, head.y);
    context.lineTo(tail.x, tail.y);
    context.stroke();
  };
}

/** A rocket with its engine on, and a floating person. */
function createTravellers(stage: Stage): Drawing {
  const { width, height, unit, palette, direction, random } = stage;
  const rocket = direction.subjects.includes('rocket');
  const person = direction.subjects.includes('person');
  const flame = createGlow(hex('#ff9a3c'));
  const halo = createGlow(hex('#9fc4ff'));
  const wobble = between(random, 0, 6);
  return (context, time) => {
    const moving = time * direction.pace;
    if (rocket) {
      const at = {
        x: width * 0.2 + moving * unit * 4.2,
        y: height * 0.7 - moving * unit * 2.1 + Math.sin(moving * 1.4 + wobble) * unit * 0.5,
      };
      context.save();
      context.translate(at.x, at.y);
      context.rotate(-0.46);
      const burst = 1 + 0.14 * Math.sin(time * 31) + 0.1 * Math.sin(time * 47);
      for (let i = 0; i < 7; i++) {
        const size = unit * (4.6 - i * 0.42) * burst;
        drawGlow(context, flame, { x: -unit * (6 + i * 2.5 * burst), y: 0 }, size, 0.8 - i * 0.1, 0.6);
      }
      context.scale(unit * 11, unit * 11);
      context.fillStyle = css(hex('#dfe6f2'));
      silhouettes.rocket(context, time);
      context.save();
      context.clip();
      context.fillStyle = 'rgba(10,16,44,0.5)';
      context.fillRect(-1, 0.015, 2, 0.4);
      context.restore();
      context.fillStyle = css(palette.accent);
      context.beginPath();
      context.arc(0.22, -0.03, 0.055, 0, Math.PI * 2);
      context.fill();
      context.restore();
    }
    if (person) {
      const at = {
        x: width * 0.34 + moving * unit * 0.9,
        y: height * 0.6 + Math.sin(moving * 0.7) * unit * 1.2,
      };
      drawGlow(context, halo, at, unit * 12, 0.18);
      context.save();
      context.translate(at.x, at.y);
      context.rotate(-0.4 + Math.sin(moving * 0.5) * 0.18);
      figureAt(context, 0, unit * 7, unit * 14, () => paintAstronaut(context));
      context.restore();
    }
  };
}

/** A space suit from the front, one unit high, with the foot at the origin. */
function paintAstronaut(context: SKRSContext2D): void {
  const white = css(hex('#e6ebf4'));
  const shade = css(darken(hex('#e6ebf4'), 0.3));
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.fillStyle = shade;
  context.beginPath();
  context.roundRect(-0.2, -0.8, 0.4, 0.42, 0.06);
  context.fill();
  context.strokeStyle = white;
  context.lineWidth = 0.13;
  context.beginPath();
  context.moveTo(-0.09, -0.42);
  context.lineTo(-0.14, -0.22);
  context.lineTo(-0.1, -0.04);
  context.moveTo(0.09, -0.42);
  context.lineTo(0.17, -0.24);
  context.lineTo(0.16, -0.05);
  context.moveTo(-0.17, -0.68);
  context.lineTo(-0.34, -0.56);
  context.lineTo(-0.4, -0.72);
  context.moveTo(0.17, -0.68);
  context.lineTo(0.33, -0.6);
  context.lineTo(0.4, -0.46);
  context.stroke();
  context.fillStyle = white;
  context.beginPath();
  context.roundRect(-0.17, -0.76, 0.34, 0.4, 0.08);
  context.fill();
  context.beginPath();
  context.arc(0, -0.88, 0.155, 0, Math.PI * 2);
  context.fill();
  const visor = context.createLinearGradient(-0.1, -0.98, 0.12, -0.8);
  visor.addColorStop(0, '#5b7fd0');
  visor.addColorStop(0.5, '#141c3a');
  visor.addColorStop(1, '#c9803f');
  context.fillStyle = visor;
  context.beginPath();
  context.ellipse(0.01, -0.88, 0.11, 0.095, 0, 0, Math.PI * 2);
  context.fill();
  context.fillStyle = shade;
  context.fillRect(-0.07, -0.62, 0.14, 0.09);
}
