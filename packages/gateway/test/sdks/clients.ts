/** A client that its maker or others publish, and the simulators that it drives. */
export interface Client {
  /** Its name in its registry. */
  readonly package: string;
  /** A file in `python/` or `node/`. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly targets: readonly Target[];
}

export interface Target {
  readonly simulator: string;
  readonly model: string;
  /** What its users append to the origin. */
  readonly path?: string;
  /** The video that the script must end up with. */
  readonly video: { readonly width: number; readonly height: number; readonly seconds: number };
}

const HD = { width: 1280, height: 720, seconds: 4 };
const OPENAI = { simulator: 'openai', path: '/v1', model: 'sora-2', video: HD };
const AZURE = { simulator: 'azure', path: '/openai/v1', model: 'sora-2', video: HD };
const VLLM_OMNI = {
  simulator: 'vllm-omni',
  path: '/v1',
  model: 'Wan-AI/Wan2.2-T2V-A14B-Diffusers',
  video: HD,
};
const SGLANG = { ...VLLM_OMNI, simulator: 'sglang' };
const GEMINI = { simulator: 'gemini', model: 'veo-3.1-fast-generate-preview', video: HD };
const GEMINI_OMNI = { simulator: 'gemini', model: 'gemini-omni-1.2-flash', video: HD };
const VERTEX = { simulator: 'vertex', model: 'veo-3.1-fast-generate-001', video: HD };
const WAN = {
  simulator: 'dashscope',
  path: '/api/v1',
  model: 'wan3.0-video',
  video: { width: 832, height: 480, seconds: 2 },
};
const SEEDANCE = { path: '/api/v3', video: { width: 864, height: 496, seconds: 5 } };
const ARK = { ...SEEDANCE, simulator: 'ark', model: 'doubao-seedance-2-0-260128' };
const BYTEPLUS = { ...SEEDANCE, simulator: 'ark-byteplus', model: 'dreamina-seedance-2-0-260128' };
const MINIMAX = {
  simulator: 'minimax',
  model: 'MiniMax-H3-Max',
  video: { width: 480, height: 480, seconds: 5 },
};
const FAL = { simulator: 'fal', model: 'fal-ai/veo3.1/fast', video: HD };
const REPLICATE = {
  simulator: 'replicate',
  model: 'bytedance/seedance-1-pro',
  video: { width: 854, height: 480, seconds: 5 },
};

const LUMA = {
  simulator: 'luma',
  path: '/dream-machine/v1',
  model: 'ray-2',
  video: { width: 1280, height: 720, seconds: 5 },
};
const RUNWAY = { simulator: 'runway', model: 'gen4.5', video: HD };

/** The base URL of a client that knows the provider's paths. */
const atOrigin = ({ path: _path, ...target }: Target): Target => target;

const VOLCENGINE_SDK = 'volcengine-ark-runtime';
const BYTEPLUS_SDK = 'byteplus-python-sdk-v2';

export const CLIENTS: readonly Client[] = [
  { package: 'openai', script: 'openai_videos.py', targets: [OPENAI, AZURE, VLLM_OMNI, SGLANG] },
  { package: 'openai', script: 'openai-videos.mjs', targets: [OPENAI, AZURE] },
  { package: 'google-genai', script: 'google_veo.py', targets: [GEMINI, VERTEX] },
  { package: 'google-genai', script: 'google_omni.py', targets: [GEMINI_OMNI] },
  { package: '@google/genai', script: 'google-omni.mjs', targets: [GEMINI_OMNI] },
  { package: '@google/genai', script: 'google-veo.mjs', targets: [GEMINI] },
  { package: '@google/genai', script: 'google-vertex.mjs', targets: [VERTEX] },
  { package: 'dashscope', script: 'dashscope_wan.py', targets: [WAN] },
  { package: VOLCENGINE_SDK, script: 'ark_seedance.py', args: [VOLCENGINE_SDK], targets: [ARK] },
  { package: BYTEPLUS_SDK, script: 'ark_seedance.py', args: [BYTEPLUS_SDK], targets: [BYTEPLUS] },
  { package: 'fal-client', script: 'fal_queue.py', targets: [FAL] },
  { package: '@fal-ai/client', script: 'fal-queue.mjs', targets: [FAL] },
  { package: 'replicate', script: 'replicate_predictions.py', targets: [REPLICATE] },
  {
    package: 'replicate',
    script: 'replicate-predictions.mjs',
    targets: [{ ...REPLICATE, path: '/v1' }],
  },
  { package: 'lumaai', script: 'luma_generations.py', targets: [LUMA] },
  { package: 'lumaai', script: 'luma-generations.mjs', targets: [LUMA] },
  { package: 'runwayml', script: 'runway_tasks.py', targets: [RUNWAY] },
  { package: '@runwayml/sdk', script: 'runway-tasks.mjs', targets: [RUNWAY] },
  {
    package: 'litellm',
    script: 'litellm_videos.py',
    targets: [OPENAI, atOrigin(AZURE), VLLM_OMNI, SGLANG, GEMINI, atOrigin(WAN), atOrigin(ARK), MINIMAX, FAL],
  },
];
