import type { ModelEntry } from '../model.ts';
import { FAL } from './fal.ts';
import { GROK } from './grok.ts';
import { HAILUO } from './hailuo.ts';
import { PREVIEW } from './preview.ts';
import { REPLICATE } from './replicate.ts';
import { SEEDANCE } from './seedance.ts';
import { SORA } from './sora.ts';
import { VEO } from './veo.ts';
import { WANXIANG } from './wanxiang.ts';

/** All built-in models, in the order in which they are listed. */
export const BUILT_IN: readonly ModelEntry[] = [
  ...PREVIEW,
  ...SORA,
  ...VEO,
  ...WANXIANG,
  ...SEEDANCE,
  ...GROK,
  ...HAILUO,
  ...FAL,
  ...REPLICATE,
];
