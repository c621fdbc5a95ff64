import type { Answer } from '../core/http/answer.ts';
import { Refusal } from '../core/http/answer.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import type { Flavour } from './context.ts';
import { errorAnswer, refusals } from './errors.ts';
import { MODELS, SECONDS } from './models.ts';
import { createSglang, extendSglang, SGLANG_PACE, sglangAnswer } from './sglang.ts';
import { create } from './submit.ts';
import { openAiUpstream } from './upstream.ts';
import { createOmni, extendOmni, OMNI_PACE, omniAnswer } from './vllmOmni.ts';

const DAY_MS = 86_400_000;

const SORA: Omit<Flavour, 'name' | 'title' | 'environment'> = {
  prefix: '/v1',
  keyHeader: undefined,
  endpoints: ['remix', 'edits', 'extensions', 'characters'],
  create,
  paceOf: (model) => MODELS[model]?.pace,
  sizes: undefined,
  seconds: SECONDS,
  concurrent: undefined,
  keptMs: ASSUMPTIONS.contentKeptMs,
  unfinishedDelete: 'refused',
  emptyBehindUnknown: false,
  newId: (random) => `video_${random.hex(48)}`,
  refuses: refusals,
  reshape: (answer) => answer,
  extend: (resource) => resource,
};

export const openai = openAiUpstream({
  ...SORA,
  name: 'openai',
  title: 'OpenAI Videos (Sora 2)',
  environment: (origin, key, secret) => ({
    OPENAI_BASE_URL: `${origin}/v1`,
    OPENAI_API_KEY: key,
    OPENAI_WEBHOOK_SECRET: secret,
  }),
});

/**
 * Microsoft, "Sora 2 in Azure OpenAI": `/openai/v1/videos`, `api-key` or Bearer, `model` is the deployment. Only 720p, 4, 8 or 12 s.
 * Jobs are kept a day, and two run at a time. Remix is the only further endpoint in its reference.
 */
export const azure = openAiUpstream({
  ...SORA,
  name: 'azure',
  title: 'Azure OpenAI (Sora 2)',
  prefix: '/openai/v1',
  keyHeader: 'api-key',
  endpoints: ['remix'],
  sizes: ['720x1280', '1280x720'],
  seconds: ['4', '8', '12'],
  concurrent: 2,
  keptMs: DAY_MS,
  refuses: {
    missingKey: azureDenied,
    wrongKey: azureDenied,
    // Seen by others (mslearn-ai-vision, issue 81).
    modelNotFound: (model) =>
      new Refusal(
        errorAnswer(404, {
          message: `The API deployment '${model}' for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again.`,
        }),
      ),
  },
  reshape: azureAnswer,
  environment: (origin, key) => ({
    AZURE_OPENAI_BASE_URL: `${origin}/openai/v1`,
    AZURE_OPENAI_API_KEY: key,
  }),
});

/** Azure's gateway, in front of every service of its kind. */
function azureDenied(): Refusal {
  const message =
    'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.';
  return new Refusal({ status: 401, body: { error: { code: '401', message } } });
}

/** Azure names every error of a caller `video_generation_user_error`, without a code (seen by others in two answers). */
function azureAnswer(answer: Answer): Answer {
  const { error } = answer.body as { error: Record<string, unknown> };
  if (answer.status === 401 || answer.status >= 500) return answer;
  const code = error.code === 'moderation_blocked' ? error.code : null;
  return { ...answer, body: { error: { ...error, type: 'video_generation_user_error', code } } };
}

/**
 * vLLM-Omni, "Videos API": one model per server, any size and whole seconds, own fields, only multipart. A deletion cancels, and
 * jobs live as long as the process. Nothing is billed.
 */
export const vllmOmni = openAiUpstream({
  ...SORA,
  name: 'vllm-omni',
  title: 'vLLM-Omni (self-hosted)',
  endpoints: [],
  create: createOmni,
  paceOf: () => OMNI_PACE,
  keptMs: undefined,
  unfinishedDelete: 'cancels',
  newId: (random) => `video_gen_${random.hex(32)}`,
  reshape: omniAnswer,
  extend: extendOmni,
  environment: (origin, key) => ({ VLLM_OMNI_BASE_URL: `${origin}/v1`, VLLM_OMNI_API_KEY: key }),
});

/**
 * SGLang Diffusion, `video_api.py` of sglang 0.5.23: any size and whole seconds, a form or JSON. A deletion forgets a job, which goes on
 * ("TODO: support aborting a job"). Nothing is billed. The server checks no key; this one does, as a proxy in front of it would.
 */
export const sglang = openAiUpstream({
  ...SORA,
  name: 'sglang',
  title: 'SGLang Diffusion (self-hosted)',
  endpoints: [],
  create: createSglang,
  paceOf: () => SGLANG_PACE,
  keptMs: undefined,
  unfinishedDelete: 'forgets',
  emptyBehindUnknown: true,
  // `generate_request_id`.
  newId: (random) => random.uuid(),
  reshape: sglangAnswer,
  extend: extendSglang,
  environment: (origin, key) => ({ SGLANG_BASE_URL: `${origin}/v1`, SGLANG_API_KEY: key }),
});
