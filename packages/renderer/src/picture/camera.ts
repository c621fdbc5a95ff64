import { lerp, smoothstep } from '../easing.ts';
import type { CameraMove } from '../prompt/direction.ts';

/** The camera's view at a moment. Near layers follow it more than far ones. */
export interface View {
  /** Shift of the nearest layer, as a part of the frame's width and height. */
  readonly x: number;
  readonly y: number;
  /** Magnification of the nearest layer. */
  readonly zoom: number;
}

/** The farthest that a camera moves, as a part of the frame's size. Layers are this much wider than the frame on each side. */
export const OVERSCAN = 0.12;

const REACH = OVERSCAN * 0.8;
const STILL: View = { x: 0, y: 0, zoom: 1 };

/** The camera's path over a video of `duration` seconds. */
export function createCamera(move: CameraMove, duration: number, pace: number): (time: number) => View {
  const reach = REACH * Math.min(1, (0.35 + duration * 0.09) * pace);
  const zoomed = 1 + 0.14 * Math.min(1, (0.4 + duration * 0.08) * pace);
  return (time) => {
    if (move === 'still') return STILL;
    // Mostly even with soft ends, so that a move neither starts nor stops with a jerk.
    const linear = time / duration;
    const part = lerp(linear, smoothstep(0, 1, linear), 0.5);
    const sway = Math.sin(time * 0.7) * 0.003;
    switch (move) {
      case 'in':
        return { x: sway, y: 0, zoom: lerp(1, zoomed, part) };
      case 'out':
        return { x: sway, y: 0, zoom: lerp(zoomed, 1, part) };
      case 'left':
        return { x: lerp(reach, -reach, part), y: sway, zoom: 1 };
      case 'right':
        return { x: lerp(-reach, reach, part), y: sway, zoom: 1 };
      case 'up':
        return { x: sway, y: lerp(reach * 0.7, -reach * 0.7, part), zoom: 1.02 };
      case 'orbit':
        return {
          x: Math.sin((linear - 0.5) * Math.PI) * reach,
          y: Math.cos(linear * Math.PI * 2) * reach * 0.12,
          zoom: 1 + (zoomed - 1) * 0.5 * Math.sin(linear * Math.PI),
        };
    }
  };
}
