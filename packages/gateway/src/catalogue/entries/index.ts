import type { ModelEntry } from '../model.ts';
import { FAL } from './fal.ts';
import { GROK } from './grok.ts';
import { HAILUO } from './hailuo.ts';
import { HAPPYHORSE } from './happyhorse.ts';
import { KLING } from './kling.ts';
import { OMNI } from './omni.ts';
import { PREVIEW } from './preview.ts';
import { REPLICATE } from './replicate.ts';
import { SEEDANCE } from './seedance.ts';
import { SORA } from './sora.ts';
import { VEO } from './veo.ts';
import { VIDU } from './vidu.ts';
import { WANXIANG } from './wanxiang.ts';

/** All built-in models, in the order in which they are listed. */
export const BUILT_IN: readonly ModelEntry[] = [
  ...PREVIEW,
  ...OMNI,
  ...VEO,
  ...WANXIANG,
  ...HAPPYHORSE,
  ...KLING,
  ...VIDU,
  ...SEEDANCE,
  ...GROK,
  ...HAILUO,
  ...FAL,
  ...REPLICATE,
  // Last, because only servers of other people still have it.
  ...SORA,
];
