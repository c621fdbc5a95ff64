export { type RenderInput, render } from './render.ts';
export type { RenderSpec } from './spec.ts';
