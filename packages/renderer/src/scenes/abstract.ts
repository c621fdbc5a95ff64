import { type Canvas, createCanvas } from '@napi-rs/canvas';
import { type Colour, css, darken, lighten, mix } from '../picture/colour.ts';
import { between } from '../random.ts';
import type { Drawing, SceneMaker, Stage } from './scene.ts';

/** How much smaller the colour field is painted. Scaling it up makes it soft. */
const SHRINK = 16;

/** For prompts that name nothing that the renderer can draw: slow fields of colour with fine turning rings. */
export const createAbstract: SceneMaker = (stage) => {
  const { width, height, palette, direction, random } = stage;
  const field = createCanvas(Math.ceil(width / SHRINK), Math.ceil(height / SHRINK));
  const inner = field.getContext('2d');
  const colours = [
    palette.accent,
    palette.sky[2],
    mix(palette.accent, palette.sky[1], 0.5),
    lighten(palette.sky[1], 0.15),
    darken(palette.accent, 0.45),
    palette.glow,
  ];
  const blobs = Array.from({ length: 9 }, (_, index) => ({
    blob: paintBlob(colours[index % colours.length] ?? palette.accent),
    radius: between(random, 0.24, 0.52),
    x: random(),
    y: random(),
    reachX: between(random, 0.12, 0.34),
    reachY: between(random, 0.12, 0.3),
    speed: between(random, 0.25, 0.6) * (random() < 0.5 ? -1 : 1),
    phase: random() * 7,
  }));
  const rings = createRings(stage);
  const centre = { x: width * 0.5, y: height * 0.46 };

  return {
    draw(context, time, view) {
      const moving = time * direction.pace;
      inner.fillStyle = css(darken(palette.sky[0], 0.25));
      inner.fillRect(0, 0, field.width, field.height);
      for (const { blob, radius, x, y, reachX, reachY, speed, phase } of blobs) {
        const cx = (x + Math.sin(moving * speed + phase) * reachX) * field.width;
        const cy = (y + Math.cos(moving * speed * 0.83 + phase) * reachY) * field.height;
        const size = radius * Math.max(field.width, field.height);
        inner.drawImage(blob, cx - size, cy - size, size * 2, size * 2);
      }
      context.drawImage(field, 0, 0, width, height);

      context.save();
      context.translate(centre.x - view.x * width * 0.5, centre.y - view.y * height * 0.5);
      context.scale(view.zoom, view.zoom * 0.94);
      context.rotate(moving * 0.05);
      rings(context, moving);
      context.restore();
    },
  };
};

/** Arcs around one centre, each with a dot at its end, that turn at speeds of their own. */
function createRings({ unit, palette, random }: Stage): Drawing {
  const rings = Array.from({ length: 13 }, (_, index) => ({
    radius: unit * (9 + index * 3.1),
    start: random() * Math.PI * 2,
    length: between(random, 0.5, 3.6),
    speed: between(random, 0.12, 0.5) * (index % 2 === 0 ? 1 : -1),
    width: unit * (random() < 0.25 ? 0.5 : 0.12),
    alpha: between(random, 0.22, 0.7),
  }));
  return (context, moving) => {
    context.lineCap = 'round';
    context.strokeStyle = css(lighten(palette.glow, 0.6));
    for (const { radius, start, length, speed, width: line, alpha } of rings) {
      context.globalAlpha = alpha;
      context.lineWidth = line;
      context.beginPath();
      const from = start + moving * speed;
      context.arc(0, 0, radius, from, from + length);
      context.stroke();
      context.globalAlpha = alpha * 0.9;
      context.fillStyle = css(palette.accent);
      context.beginPath();
      context.arc(Math.cos(from) * radius, Math.sin(from) * radius, line * 1.7 + unit * 0.14, 0, Math.PI * 2);
      context.fill();
    }
  };
}

/** A patch of colour as a picture, because gradients are dithered and their dots would show as a grid when magnified. */
function paintBlob(colour: Colour): Canvas {
  const size = 256;
  const canvas = createCanvas(size, size);
  const context = canvas.getContext('2d');
  const gradient = context.createRadialGradient(size / 2, size / 2, 0, size / 2, size / 2, size / 2);
  gradient.addColorStop(0, css(colour, 0.62));
  gradient.addColorStop(0.5, css(colour, 0.24));
  gradient.addColorStop(1, css(colour, 0));
  context.fillStyle = gradient;
  context.fillRect(0, 0, size, size);
  return canvas;
}
