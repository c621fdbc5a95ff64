import { ark, arkByteplus } from './ark/ark.ts';
import type { Upstream } from './core/upstream.ts';
import { dashscope } from './dashscope/dashscope.ts';
import { fal } from './fal/fal.ts';
import { gemini } from './google/gemini.ts';
import { vertex } from './google/vertex.ts';
import { minimax } from './minimax/minimax.ts';
import { azure, openai, vllmOmni } from './openai/flavours.ts';
import { replicate } from './replicate/replicate.ts';
import { xai } from './xai/xai.ts';

/** All simulated upstreams, in the order of their ports. */
export const UPSTREAMS: readonly Upstream[] = [
  openai,
  azure,
  vllmOmni,
  gemini,
  vertex,
  dashscope,
  ark,
  arkByteplus,
  xai,
  minimax,
  replicate,
  fal,
];
