import type { PackageRow } from './packageRow.ts';
import { FAL } from './packages/fal.ts';
import { MINIMAX } from './packages/minimax.ts';
import { REPLICATE } from './packages/replicate.ts';
import { XAI } from './packages/xai.ts';

/** The packages that the bridge knows. A new package is a row in a file of its own and a name here. */
export const PACKAGES: readonly PackageRow[] = [XAI, MINIMAX, FAL, REPLICATE];
