import type { Driver, World } from './world.ts';

/** Records a step: its name, whether it happens sooner or later if nothing fails, and its effect on a copy of the world. */
export type Take = (name: string, kind: 'fair' | 'may fail', change: (world: World) => void) => void;

/** Records a step of a driver. */
export type StepOf = (
  name: string,
  kind: 'fair' | 'may fail',
  change: (next: World, its: Driver) => void,
) => void;

export const nameOf = (node: number): string => `node ${'AB'.charAt(node)}`;
