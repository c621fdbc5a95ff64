import type { GlobalCompositeOperation, SKRSContext2D } from '@napi-rs/canvas';
import type { Look } from '../prompt/direction.ts';

/** One colour laid over the whole frame. */
interface Wash {
  readonly blend: GlobalCompositeOperation;
  readonly colour: string;
}

/** The changes that a style makes to a finished picture. */
const WASHES: Readonly<Record<Look, readonly Wash[]>> = {
  natural: [],
  noir: [
    { blend: 'saturation', colour: '#808080' },
    { blend: 'soft-light', colour: 'rgba(0,0,0,0.3)' },
  ],
  vintage: [
    { blend: 'saturation', colour: 'rgba(128,128,128,0.5)' },
    { blend: 'multiply', colour: 'rgba(255,226,178,0.8)' },
    { blend: 'screen', colour: 'rgba(58,32,20,0.65)' },
  ],
  vivid: [
    { blend: 'saturation', colour: 'rgba(255,0,0,0.22)' },
    { blend: 'soft-light', colour: 'rgba(255,255,255,0.14)' },
  ],
  pastel: [
    { blend: 'saturation', colour: 'rgba(128,128,128,0.22)' },
    { blend: 'screen', colour: 'rgba(150,130,150,0.5)' },
  ],
};

/** Lays a look over a frame. */
export function applyLook(context: SKRSContext2D, look: Look, width: number, height: number): void {
  for (const { blend, colour } of WASHES[look]) {
    context.globalCompositeOperation = blend;
    context.fillStyle = colour;
    context.fillRect(0, 0, width, height);
  }
  context.globalCompositeOperation = 'source-over';
}
