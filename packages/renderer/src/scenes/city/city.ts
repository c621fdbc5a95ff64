import { css, darken, hex, mix } from '../../picture/colour.ts';
import { between } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import { atDepth, drawLayer, type Layer, marginX, marginY, paintBand } from '../elements/layer.ts';
import { createSky } from '../elements/sky.ts';
import { createSubjects } from '../elements/subjects.ts';
import type { SceneMaker, Stage } from '../scene.ts';
import { createBuildings } from './buildings.ts';
import { createPaperBoat } from './paperBoat.ts';
import { createTraffic } from './traffic.ts';

/** Rows of towers with lit windows and signs, and a street that mirrors them. */
export const createCity: SceneMaker = (stage) => {
  const { width, height, unit, palette, direction, random } = stage;
  const street = height * 0.8;
  const dark = direction.light === 'night' || direction.light === 'dusk';
  const sky = createSky(stage, street * 0.92);
  const buildings = createBuildings(stage, street);
  const haze = paintStreetGlow(stage, street, dark);
  const road = paintRoad(stage, street, buildings.layers);
  const beacons = Array.from({ length: 5 }, (_, index) => ({
    ...(buildings.summits[index * 2] ?? { x: width / 2, y: street / 2 }),
    phase: random() * 6,
  }));
  const red = createGlow(hex('#ff3b30'));
  const traffic = createTraffic(stage, street);
  const boat = direction.subjects.includes('boat') ? createPaperBoat(stage, street + unit * 11.5) : undefined;
  const subjects = createSubjects(stage, {
    ground: () => street + unit * 8.6,
    depth: 0.72,
    sky: street * 0.3,
    own: ['car', 'house'],
    ...(dark ? { rim: mix(palette.accent, palette.glow, 0.5) } : {}),
  });

  return {
    draw(context, time, view) {
      sky.draw(context, time, view);
      for (const [index, layer] of buildings.layers.entries()) {
        if (index === 2) subjects.drawSky(context, time, view);
        drawLayer(context, stage, view, layer);
        if (index === 1) {
          atDepth(context, stage, view, layer.depth, () => {
            for (const { x, y, phase } of beacons) {
              drawGlow(
                context,
                red,
                { x, y },
                unit * 1.5,
                dark ? Math.max(0, Math.sin(time * 2.2 + phase)) : 0.15,
              );
            }
            buildings.twinkle(context, time);
          });
          drawLayer(context, stage, view, haze);
        }
      }
      drawLayer(context, stage, view, road);
      atDepth(context, stage, view, road.depth, () => {
        buildings.drawSigns(context, time);
        traffic(context, time);
      });
      subjects.drawGround(context, time, view);
      if (boat) atDepth(context, stage, view, road.depth, () => boat(context, time));
    },
  };
};

/** The light of the streets hanging between the towers. */
function paintStreetGlow(stage: Stage, street: number, dark: boolean): Layer {
  const { unit, palette } = stage;
  const band = { top: street - unit * 34, bottom: street };
  const colour = dark ? mix(palette.accent, palette.glow, 0.25) : palette.haze;
  const layer = paintBand(stage, 0.3, band, (context) => {
    const gradient = context.createLinearGradient(0, band.top, 0, band.bottom);
    gradient.addColorStop(0, css(colour, 0));
    gradient.addColorStop(0.6, css(colour, dark ? 0.1 : 0.2));
    gradient.addColorStop(1, css(colour, dark ? 0.34 : 0.45));
    context.fillStyle = gradient;
    context.fillRect(-marginX(stage), band.top, stage.width + 2 * marginX(stage), band.bottom - band.top);
  });
  return { ...layer, soft: true };
}

/** Asphalt that mirrors the towers: sharply near the kerb and broken up below, more so if it is wet. */
function paintRoad(stage: Stage, street: number, mirrored: readonly Layer[]): Layer {
  const { height, unit, palette, direction, random } = stage;
  const wet = direction.weather === 'rain' || direction.weather === 'storm';
  const bottom = height + marginY(stage);
  const left = -marginX(stage);
  const across = stage.width + 2 * marginX(stage);
  return paintBand(stage, 0.72, { top: street, bottom }, (context) => {
    const ground = mix(darken(palette.near, 0.2), palette.haze, direction.light === 'day' ? 0.5 : 0.1);
    const gradient = context.createLinearGradient(0, street, 0, bottom);
    gradient.addColorStop(0, css(mix(ground, palette.haze, 0.2)));
    gradient.addColorStop(1, css(darken(ground, 0.45)));
    context.fillStyle = gradient;
    context.fillRect(left, street, across, bottom - street);
    context.globalAlpha = wet ? 0.55 : direction.light === 'day' ? 0.08 : 0.3;
    const slice = Math.max(2, Math.round(unit * 0.3));
    for (const { canvas, y: top } of mirrored) {
      for (let down = 0; street + down < bottom; down += slice) {
        const source = street - down * 2.1 - slice - top;
        if (source < 0) break;
        // Each slice is shifted a little, as by ripples.
        const shift = between(random, -1, 1) * (0.1 + down / unit / 18) * unit;
        context.drawImage(
          canvas,
          0,
          source,
          canvas.width,
          slice * 2,
          left + shift,
          street + down,
          across,
          slice,
        );
      }
    }
    context.globalAlpha = 1;
    const fade = context.createLinearGradient(0, street, 0, bottom);
    fade.addColorStop(0, css(darken(ground, 0.6), 0));
    fade.addColorStop(1, css(darken(ground, 0.6), 0.8));
    context.fillStyle = fade;
    context.fillRect(left, street, across, bottom - street);
    context.fillStyle = css(mix(ground, palette.glow, 0.22), 0.6);
    context.fillRect(left, street, across, unit * 0.3);
    context.fillStyle = css(palette.glow, 0.26);
    for (let x = left; x < left + across; x += unit * 9) {
      context.fillRect(x, street + unit * 6.6, unit * 4.4, unit * 0.28);
    }
  });
}
