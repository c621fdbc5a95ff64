import type { JobContext } from '../../native/protocol.ts';
import { type RenderInput, render } from './render.ts';

/** Runs in a native child. */
export const run = (input: RenderInput, { progress }: JobContext): Promise<void> => render(input, progress);
