import type { SKRSContext2D } from '@napi-rs/canvas';
import { css, darken, hex, mix } from '../../picture/colour.ts';
import { figureAt } from '../elements/subjects.ts';
import type { Drawing, Stage } from '../scene.ts';

const PAPER = hex('#f6f0e2');
/** Length of the boat in units. */
const LENGTH = 17;
/** Units a second, the speed of water in a gutter. */
const DRIFT = 1.5;

/** A folded paper boat that drifts along a wet street, with its mirror image below it. */
export function createPaperBoat(stage: Stage, waterline: number): Drawing {
  const { width, unit, palette, direction, random } = stage;
  const paper = direction.colours.length > 0 ? mix(PAPER, palette.accent, 0.75) : PAPER;
  const lit = direction.light === 'night' ? mix(paper, palette.sky[1], 0.22) : paper;
  const start = width * 0.52;
  const phase = random() * 6;

  return (context, time) => {
    const x = start + time * DRIFT * unit * direction.pace;
    const bob = Math.sin(time * 1.9 + phase) * unit * 0.35;
    const lean = Math.sin(time * 1.4 + phase) * 0.05;
    context.strokeStyle = css(palette.glow, 0.3);
    context.lineWidth = unit * 0.16;
    for (const ring of [0, 0.5]) {
      const part = (time * 0.45 + ring) % 1;
      context.globalAlpha = (1 - part) * 0.8;
      context.beginPath();
      context.ellipse(
        x,
        waterline,
        unit * LENGTH * (0.36 + part * 0.4),
        unit * (0.9 + part * 1.6),
        0,
        0,
        Math.PI * 2,
      );
      context.stroke();
    }
    context.globalAlpha = 0.28;
    figureAt(context, x, waterline - bob * 0.5, unit * LENGTH, () => {
      context.scale(1, -0.7);
      context.rotate(lean);
      paintBoat(context, lit);
    });
    context.globalAlpha = 1;
    figureAt(context, x, waterline + bob, unit * LENGTH, () => {
      context.rotate(lean);
      paintBoat(context, lit);
    });
  };
}

/** One unit long, with its waterline at the origin. Each face between the folds has its own light. */
function paintBoat(context: SKRSContext2D, paper: typeof PAPER): void {
  const faces = [
    { shade: 0.12, points: [-0.2, -0.17, 0, -0.52, 0, -0.1] },
    { shade: 0.3, points: [0.2, -0.17, 0, -0.52, 0, -0.1] },
    { shade: 0.05, points: [-0.5, -0.24, 0, -0.12, 0, 0.03, -0.3, 0.03] },
    { shade: 0.2, points: [0.5, -0.24, 0, -0.12, 0, 0.03, 0.3, 0.03] },
  ];
  for (const { shade, points } of faces) {
    context.fillStyle = css(darken(paper, shade));
    context.beginPath();
    for (let at = 0; at < points.length; at += 2) context.lineTo(points[at] ?? 0, points[at + 1] ?? 0);
    context.closePath();
    context.fill();
  }
}
