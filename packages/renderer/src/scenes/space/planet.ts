import { type Canvas, createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { wrap } from '../../easing.ts';
import { type Colour, css, darken, hex, lighten, mix } from '../../picture/colour.ts';
import { between, createNoise } from '../../random.ts';
import type { Drawing, Stage } from '../scene.ts';

/** A turning banded planet, half in shadow, with a ring and a rim of air. */
export function createPlanet(stage: Stage, colour: Colour, air: Colour): Drawing {
  const { width, height, unit, direction, random } = stage;
  const radius = unit * (direction.subjects.includes('planet') ? 20 : 14);
  const centre = { x: width * 0.68, y: height * 0.38 };
  const surface = paintSurface(stage, radius, colour);
  const shade = paintShade(radius, air);
  const ring = paintRing(stage, radius, mix(colour, hex('#f2e2c8'), 0.5));
  const tilt = between(random, -0.42, -0.28);

  return (context, time) => {
    context.save();
    context.translate(centre.x, centre.y);
    context.rotate(tilt);
    drawHalf(context, ring, -1);
    context.save();
    context.beginPath();
    context.arc(0, 0, radius, 0, Math.PI * 2);
    context.clip();
    const shift = wrap(time * unit * 0.9 * direction.pace, surface.width / 2);
    context.drawImage(surface, -radius - shift, -radius);
    context.restore();
    context.rotate(-tilt);
    context.drawImage(shade, -shade.width / 2, -shade.height / 2);
    context.rotate(tilt);
    drawHalf(context, ring, 1);
    context.restore();
  };
}

/** The half of the ring that is behind (-1) or in front of (1) the planet. */
function drawHalf(context: SKRSContext2D, ring: Canvas, side: -1 | 1): void {
  const { width, height } = ring;
  const top = side < 0 ? 0 : height / 2;
  context.drawImage(ring, 0, top, width, height / 2, -width / 2, top - height / 2, width, height / 2);
}

/** The surface twice side by side, so that it turns without a seam. */
function paintSurface({ random, unit }: Stage, radius: number, colour: Colour): Canvas {
  const length = Math.ceil(radius * 3);
  const canvas = createCanvas(length * 2, Math.ceil(radius * 2));
  const context = canvas.getContext('2d');
  const tones = [
    colour,
    darken(colour, 0.25),
    lighten(colour, 0.28),
    mix(colour, hex('#7a4a8a'), 0.3),
    darken(colour, 0.42),
  ];
  const wave = createNoise(random, 3);
  context.fillStyle = css(colour);
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let y = 0, band = 0; y < canvas.height; band++) {
    const thick = radius * between(random, 0.05, 0.24);
    context.fillStyle = css(tones[Math.floor(random() * tones.length)] ?? colour, 0.62);
    context.beginPath();
    for (let x = 0; x <= canvas.width; x += 4) {
      const part = (x / length) * Math.PI * 2;
      // A whole number of waves around the planet, so that the ends of the surface meet.
      const lift = (Math.sin(part * 3 + band) * 0.5 + Math.sin(part * 7 + band * 2.3) * 0.3) * unit * 0.5;
      context.lineTo(x, y + lift + wave(band * 3.7) * unit);
    }
    context.lineTo(canvas.width, y + thick);
    context.lineTo(0, y + thick);
    context.fill();
    y += thick * 0.8;
  }
  const storm = { x: length * 0.5, y: radius * 1.3 };
  for (const offset of [0, length]) {
    for (const [size, tone] of [
      [0.3, lighten(colour, 0.35)],
      [0.2, darken(colour, 0.2)],
      [0.1, lighten(colour, 0.15)],
    ] as const) {
      context.fillStyle = css(tone, 0.7);
      context.beginPath();
      context.ellipse(storm.x + offset, storm.y, radius * size, radius * size * 0.48, 0, 0, Math.PI * 2);
      context.fill();
    }
  }
  return canvas;
}

/** Night on the far side, light on the near side, and the glow of the air around the planet. */
function paintShade(radius: number, air: Colour): Canvas {
  const size = Math.ceil(radius * 2.6);
  const canvas = createCanvas(size, size);
  const context = canvas.getContext('2d');
  const centre = size / 2;
  const halo = context.createRadialGradient(centre, centre, radius * 0.96, centre, centre, radius * 1.26);
  halo.addColorStop(0, css(lighten(air, 0.35), 0.5));
  halo.addColorStop(0.3, css(air, 0.2));
  halo.addColorStop(1, css(air, 0));
  context.fillStyle = halo;
  context.beginPath();
  context.arc(centre, centre, radius * 1.28, 0, Math.PI * 2);
  context.arc(centre, centre, radius * 0.99, 0, Math.PI * 2, true);
  context.fill();
  const night = context.createRadialGradient(
    centre - radius * 0.62,
    centre - radius * 0.5,
    radius * 0.15,
    centre - radius * 0.3,
    centre - radius * 0.24,
    radius * 1.5,
  );
  night.addColorStop(0, 'rgba(255,246,228,0.26)');
  night.addColorStop(0.3, 'rgba(20,10,40,0.06)');
  night.addColorStop(0.62, 'rgba(6,5,24,0.62)');
  night.addColorStop(0.85, 'rgba(3,3,14,0.95)');
  night.addColorStop(1, 'rgba(3,3,14,0.97)');
  context.fillStyle = night;
  context.beginPath();
  context.arc(centre, centre, radius + 1, 0, Math.PI * 2);
  context.fill();
  return canvas;
}

function paintRing({ random }: Stage, radius: number, colour: Colour): Canvas {
  const canvas = createCanvas(Math.ceil(radius * 4.8), Math.ceil(radius * 1.3));
  const context = canvas.getContext('2d');
  context.translate(canvas.width / 2, canvas.height / 2);
  context.scale(1, 0.24);
  for (let part = 1.36; part < 2.26; part += 0.022) {
    if (Math.abs(part - 1.88) < 0.04) continue;
    context.strokeStyle = css(mix(colour, darken(colour, 0.5), random()), between(random, 0.12, 0.62));
    context.lineWidth = radius * 0.024;
    context.beginPath();
    context.arc(0, 0, radius * part, 0, Math.PI * 2);
    context.stroke();
  }
  return canvas;
}
