import { ark, arkByteplus } from './ark/ark.ts';
import { comfyui } from './comfyui/comfyui.ts';
import type { Upstream } from './core/upstream.ts';
import { dashscope } from './dashscope/dashscope.ts';
import { fal } from './fal/fal.ts';
import { gemini } from './google/gemini.ts';
import { vertex } from './google/vertex.ts';
import { kling } from './kling/kling.ts';
import { ltx } from './ltx/ltx.ts';
import { luma } from './luma/luma.ts';
import { minimax } from './minimax/minimax.ts';
import { azure, openai, sglang, vllmOmni } from './openai/flavours.ts';
import { pixverse } from './pixverse/pixverse.ts';
import { replicate } from './replicate/replicate.ts';
import { runway } from './runway/runway.ts';
import { vidu } from './vidu/vidu.ts';
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
  kling,
  runway,
  sglang,
  comfyui,
  ltx,
  pixverse,
  luma,
  vidu,
];
