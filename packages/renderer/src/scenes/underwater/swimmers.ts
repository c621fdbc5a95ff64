import type { SKRSContext2D } from '@napi-rs/canvas';
import { wrap } from '../../easing.ts';
import type { View } from '../../picture/camera.ts';
import { type Colour, css, hex, lighten, mix } from '../../picture/colour.ts';
import { between, pick } from '../../random.ts';
import { createGlow, drawGlow } from '../elements/glow.ts';
import { atDepth } from '../elements/layer.ts';
import * as silhouettes from '../elements/silhouettes.ts';
import { figureAt } from '../elements/subjects.ts';
import type { Drawing, Stage } from '../scene.ts';

/** The colours of the water, from the surface down. */
export interface Water {
  readonly top: Colour;
  readonly middle: Colour;
  readonly deep: Colour;
}

export interface Swimmers {
  /** Draws what is far away, behind the light. */
  drawFar(context: SKRSContext2D, time: number, view: View): void;
  drawNear(context: SKRSContext2D, time: number, view: View): void;
}

/** Shoals, a whale and jellyfish, if the prompt names them. A few fish are always there. */
export function createSwimmers(stage: Stage, water: Water): Swimmers {
  const { width, height, unit, direction, random } = stage;
  const far = createShoal(stage, {
    count: 26,
    size: 1.6,
    y: 0.36,
    speed: 4.5,
    colour: () => mix(water.deep, water.middle, 0.45),
  });
  const hues: readonly [Colour, ...Colour[]] =
    direction.colours.length > 0
      ? [stage.palette.accent, lighten(stage.palette.accent, 0.3)]
      : [hex('#ffb03b'), hex('#ff6f4d'), hex('#ffe27a'), hex('#7fd6ff')];
  const named = direction.subjects.includes('fish');
  const near = createShoal(stage, {
    count: named ? 22 : 9,
    size: named ? 4.6 : 3.2,
    y: 0.56,
    speed: 7,
    colour: () => mix(pick(random, hues), water.middle, between(random, 0.05, 0.35)),
  });
  const whale = direction.subjects.includes('whale');
  const jellies = direction.subjects.includes('jellyfish') ? createJellies(stage) : undefined;

  return {
    drawFar(context, time, view) {
      atDepth(context, stage, view, 0.12, () => far(context, time));
      if (!whale) return;
      atDepth(context, stage, view, 0.2, () => {
        const moving = time * direction.pace;
        const at = {
          x: width * 0.3 + moving * unit * 3,
          y: height * 0.36 + Math.sin(moving * 0.6) * unit * 1.6,
        };
        context.fillStyle = css(mix(water.deep, water.middle, 0.12));
        figureAt(context, at.x, at.y, unit * 24, () => {
          context.rotate(Math.cos(moving * 0.6) * 0.05);
          silhouettes.whale(context, moving);
        });
      });
    },
    drawNear(context, time, view) {
      atDepth(context, stage, view, 0.55, () => {
        near(context, time);
        jellies?.(context, time);
      });
    },
  };
}

function createShoal(
  stage: Stage,
  options: { count: number; size: number; y: number; speed: number; colour: () => Colour },
): Drawing {
  const { width, height, unit, direction, random } = stage;
  const span = width * 1.4;
  const start = between(random, 0.15, 0.4) * width;
  const fish = Array.from({ length: options.count }, () => ({
    x: start + (random() + random() - 0.4) * unit * options.size * 9,
    y: height * options.y + (random() + random() - 1) * unit * options.size * 5.4,
    size: unit * options.size * between(random, 0.7, 1.25),
    speed: unit * options.speed * between(random, 0.88, 1.12),
    phase: random() * 7,
    colour: css(options.colour()),
  }));
  return (context, time) => {
    const moving = time * direction.pace;
    for (const { x, y, size, speed, phase, colour } of fish) {
      const at = {
        x: wrap(x + moving * speed, span) - width * 0.2,
        y: y + Math.sin(moving * 1.1 + phase) * unit * 0.8,
      };
      context.fillStyle = colour;
      figureAt(context, at.x, at.y, size, () => {
        silhouettes.fish(context, moving + phase);
        if (options.size < 2) return;
        context.fillStyle = 'rgba(255,255,255,0.5)';
        context.fillRect(0.08, -0.15, 0.07, 0.28);
        context.fillStyle = 'rgba(8,16,28,0.9)';
        context.beginPath();
        context.arc(0.32, -0.045, 0.035, 0, Math.PI * 2);
        context.fill();
      });
    }
  };
}

/** Bells that pulse and rise, with trailing arms. */
function createJellies(stage: Stage): Drawing {
  const { width, height, unit, palette, direction, random } = stage;
  const hue = direction.colours.length > 0 ? palette.accent : hex('#ff9fd8');
  const light = createGlow(hue);
  const jellies = Array.from({ length: 7 }, (_, index) => ({
    x: width * (0.14 + ((index * 0.381) % 0.76)),
    y: height * between(random, 0.24, 0.7),
    size: unit * (index < 2 ? between(random, 6.5, 8.5) : between(random, 2.4, 4.6)),
    phase: random() * 7,
  }));
  return (context, time) => {
    for (const { x, y, size, phase } of jellies) {
      const beat = time * 1.7 * direction.pace + phase;
      const pulse = Math.sin(beat);
      const rise = time * unit * 0.9 * direction.pace + pulse * size * 0.1;
      const at = {
        x: x + Math.sin(beat * 0.3) * unit * 2,
        y: wrap(y - rise + size * 4, height + size * 8) - size * 4,
      };
      drawGlow(context, light, at, size * 2.3, 0.32);
      figureAt(context, at.x, at.y, size, () => {
        const wide = 0.62 + 0.09 * pulse;
        context.strokeStyle = css(lighten(hue, 0.4), 0.55);
        context.lineCap = 'round';
        context.lineWidth = 0.05;
        context.beginPath();
        for (let arm = 0; arm < 8; arm++) {
          const from = (arm / 7 - 0.5) * wide * 1.6;
          const sway = Math.sin(beat * 0.8 - arm * 0.6) * 0.16;
          context.moveTo(from, 0);
          context.bezierCurveTo(
            from * 0.8 + sway,
            0.5,
            from * 0.9 - sway,
            0.95,
            from * 0.6 + sway * 1.4,
            1.35 + (arm % 3) * 0.24,
          );
        }
        context.stroke();
        const bell = context.createLinearGradient(0, -0.6, 0, 0.1);
        bell.addColorStop(0, css(lighten(hue, 0.55), 0.85));
        bell.addColorStop(1, css(hue, 0.4));
        context.fillStyle = bell;
        context.beginPath();
        context.moveTo(-wide, 0.04);
        context.bezierCurveTo(-wide * 1.05, -0.78, wide * 1.05, -0.78, wide, 0.04);
        for (let lobe = 0; lobe < 6; lobe++) {
          const to = wide - ((lobe + 1) / 6) * wide * 2;
          context.quadraticCurveTo(to + wide / 6, 0.16, to, 0.04);
        }
        context.fill();
      });
    }
  };
}
