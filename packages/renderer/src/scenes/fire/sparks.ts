import { between } from '../../random.ts';
import type { Drawing, Stage } from '../scene.ts';

/** Embers that rise from a place, sway, cool from yellow to red, and go out. */
export function createSparks(
  { unit, direction, random }: Stage,
  from: { readonly x: number; readonly y: number; readonly spread: number; readonly rise: number },
  count: number,
): Drawing {
  const sparks = Array.from({ length: count }, () => ({
    x: from.x + (random() + random() - 1) * from.spread,
    life: between(random, 1.6, 3.8),
    phase: random(),
    sway: between(random, 0.6, 2.4),
    rise: from.rise * between(random, 0.45, 1.1),
    size: unit * between(random, 0.08, 0.24),
  }));
  const colours = ['255,236,170', '255,176,74', '255,104,40'];
  return (context, time) => {
    context.globalCompositeOperation = 'lighter';
    for (const [index, colour] of colours.entries()) {
      context.fillStyle = `rgba(${colour},${0.95 - index * 0.18})`;
      context.beginPath();
      for (const { x, life, phase, sway, rise, size } of sparks) {
        const age = ((time * direction.pace) / life + phase) % 1;
        if (Math.min(2, Math.floor(age * 3)) !== index) continue;
        const drift = Math.sin(age * 6 + phase * 20) * sway * unit * age * 3;
        const at = { x: x + drift + age * age * unit * 4, y: from.y - rise * age ** 0.85 };
        const radius = size * (1 - age * 0.75);
        context.moveTo(at.x + radius, at.y);
        context.arc(at.x, at.y, radius, 0, Math.PI * 2);
      }
      context.fill();
    }
    context.globalCompositeOperation = 'source-over';
  };
}
