import { type RenderInput, render } from '@onetake/renderer';
import type { JobContext } from '../../native/protocol.ts';

/** Runs in a native child. */
export const run = (input: RenderInput, { progress }: JobContext): Promise<void> => render(input, progress);
