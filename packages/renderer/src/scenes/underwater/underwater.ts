import { wrap } from '../../easing.ts';
import { type Colour, css, darken, hex, lighten, mix } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import { paintRidge } from '../elements/land.ts';
import { drawLayer, type Layer, marginX, marginY, paintFull, paintSoft } from '../elements/layer.ts';
import { ditherSky } from '../elements/sky.ts';
import type { Drawing, SceneMaker, Stage } from '../scene.ts';
import { createReef } from './reef.ts';
import { createSwimmers, type Water } from './swimmers.ts';

/** Shafts of light from the surface, a reef with weeds, and swimming animals. */
export const createUnderwater: SceneMaker = (stage) => {
  const { height, unit, direction } = stage;
  const water = waterColours(stage);
  const back = paintBack(stage, water);
  const shafts = [0, 1].map((index) => paintShafts(stage, water.top, index));
  const rocks = [0, 1].map((index) =>
    paintRidge(stage, {
      depth: 0.16 + index * 0.2,
      base: height * (0.76 + index * 0.07),
      swing: unit * (8 - index * 2),
      bumps: 2.1,
      octaves: 4,
      top: mix(water.deep, water.middle, 0.62 - index * 0.3),
      foot: mix(water.deep, water.middle, 0.2),
    }),
  );
  const reef = createReef(stage, water.deep);
  const swimmers = createSwimmers(stage, water);
  const specks = createSpecks(stage);
  const dim = direction.light === 'night' ? 0.35 : 1;

  return {
    draw(context, time, view) {
      drawLayer(context, stage, view, back);
      swimmers.drawFar(context, time, view);
      for (const { layer } of rocks) drawLayer(context, stage, view, layer);
      context.globalCompositeOperation = 'lighter';
      for (const [index, shaft] of shafts.entries()) {
        const moving = time * 0.5 * direction.pace + index * 2.4;
        context.globalAlpha = dim * (0.62 + 0.3 * Math.sin(moving * 1.7 + index));
        drawLayer(context, stage, view, shaft, Math.sin(moving) * unit * 4);
      }
      context.globalAlpha = 1;
      context.globalCompositeOperation = 'source-over';
      swimmers.drawNear(context, time, view);
      reef(context, time, view);
      specks(context, time);
    },
  };
};

function waterColours({ palette, direction }: Stage): Water {
  const [tint, part] = direction.colours.length > 0 ? [palette.accent, 0.42] : [palette.sky[1], 0.12];
  const dark = { day: 0, dawn: 0.16, dusk: 0.34, night: 0.62 }[direction.light];
  const tone = (own: string): Colour => darken(mix(hex(own), tint, part), dark);
  return { top: tone('#4cc9dc'), middle: tone('#137fae'), deep: darken(tone('#06385f'), 0.3) };
}

/** Open water: bright below the surface, dark in the deep. */
function paintBack(stage: Stage, water: Water): Layer {
  const { width, height, unit } = stage;
  return paintFull(stage, 0.03, (context) => {
    const gradient = context.createLinearGradient(0, -marginY(stage), 0, height + marginY(stage));
    gradient.addColorStop(0, css(water.top));
    gradient.addColorStop(0.4, css(water.middle));
    gradient.addColorStop(1, css(water.deep));
    context.fillStyle = gradient;
    context.fillRect(
      -marginX(stage),
      -marginY(stage),
      width + 2 * marginX(stage),
      height + 2 * marginY(stage),
    );
    const surface = context.createRadialGradient(
      width * 0.56,
      -unit * 8,
      0,
      width * 0.56,
      -unit * 8,
      unit * 78,
    );
    surface.addColorStop(0, css(lighten(water.top, 0.6), 0.75));
    surface.addColorStop(0.4, css(lighten(water.top, 0.3), 0.25));
    surface.addColorStop(1, css(water.top, 0));
    context.fillStyle = surface;
    context.fillRect(
      -marginX(stage),
      -marginY(stage),
      width + 2 * marginX(stage),
      height + 2 * marginY(stage),
    );
    ditherSky(context, stage);
  });
}

/** Light that falls through the waves in slanted shafts. */
function paintShafts(stage: Stage, top: Colour, index: number): Layer {
  const { width, height, unit, random } = stage;
  const band = { top: -marginY(stage), bottom: height };
  return paintSoft(stage, 0.12 + index * 0.1, band, 8, (context) => {
    const gradient = context.createLinearGradient(0, band.top, 0, band.bottom);
    gradient.addColorStop(0, css(lighten(top, 0.5), 0.32));
    gradient.addColorStop(0.5, css(lighten(top, 0.3), 0.13));
    gradient.addColorStop(0.95, css(top, 0));
    context.fillStyle = gradient;
    const source = { x: width * 0.56, y: -height * 0.9 };
    for (let i = 0; i < 7; i++) {
      const at = width * between(random, -0.05, 1.1);
      const wide = unit * between(random, 1.6, 6.5);
      const slope = (at - source.x) / (0 - source.y);
      context.beginPath();
      context.moveTo(at - wide * 0.4, band.top);
      context.lineTo(at + wide * 0.4, band.top);
      context.lineTo(at + slope * height + wide * 1.9, band.bottom);
      context.lineTo(at + slope * height - wide * 1.9, band.bottom);
      context.fill();
    }
  });
}

/** Plankton in the light, and bubbles in strings. */
function createSpecks(stage: Stage): Drawing {
  const { width, height, unit, direction, random } = stage;
  const specks = Array.from({ length: 130 }, () => ({
    x: random() * width,
    y: random() * height,
    size: unit * between(random, 0.05, 0.17),
    phase: random() * 7,
  }));
  const bubbles = Array.from({ length: 34 }, (_, index) => ({
    x: width * ([0.14, 0.47, 0.83][index % 3] ?? 0.5),
    start: random(),
    size: unit * between(random, 0.16, 0.62),
    phase: random() * 7,
  }));
  return (context, time) => {
    const moving = time * direction.pace;
    context.fillStyle = 'rgba(225,250,255,0.4)';
    context.beginPath();
    for (const { x, y, size, phase } of specks) {
      const at = {
        x: wrap(x + Math.sin(moving * 0.4 + phase) * unit * 2 + moving * unit * 0.4, width),
        y: wrap(y - moving * unit * 0.5, height),
      };
      context.moveTo(at.x + size, at.y);
      context.arc(at.x, at.y, size, 0, Math.PI * 2);
    }
    context.fill();
    context.strokeStyle = 'rgba(225,250,255,0.6)';
    context.lineWidth = unit * 0.09;
    context.beginPath();
    for (const { x, start, size, phase } of bubbles) {
      const age = (start + moving * 0.1) % 1;
      const at = { x: x + Math.sin(age * 14 + phase) * unit * 1.3, y: height * (0.95 - age * 1.05) };
      const radius = size * (0.55 + age * 0.8);
      context.moveTo(at.x + radius, at.y);
      context.arc(at.x, at.y, radius, 0, Math.PI * 2);
    }
    context.stroke();
  };
}
