import type { SimulatorsOptions } from '@onetake/simulators';

/** An upstream as one of its clients sees it: what it submits, and how it learns of the end of a job. */
export interface DirectApi {
  submit(prompt: string): Call;
  /** The path that the answer to the submission leads to. */
  pollPath(submitted: Body): string;
  headers(key: string): Readonly<Record<string, string>>;
  isOver(polled: Body): boolean;
}

interface Call {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

// biome-ignore lint/suspicious/noExplicitAny: an answer of an upstream, looked into field by field
export type Body = any;

/** One model of each family, with the smallest video that it makes, because neither the codec nor the disk is measured. */
export interface Family {
  /** As on the command line. */
  readonly name: string;
  readonly model: string;
  /** The simulator. */
  readonly upstream: string;
  /** The request to the gateway, but for the model and the prompt. */
  readonly request: Readonly<Record<string, unknown>>;
  /** The account in onetake.yaml, but for its limits. */
  account(environment: Readonly<Record<string, string>>, callbacks: boolean): Record<string, unknown>;
  /** Whether the upstream calls back, and which setting of the simulator gets the address; undefined if each submission names it. */
  readonly callbacks: { readonly setting?: string } | undefined;
  /** Polls a second of the account, with the provider's documented limit (`providers/<name>/definition.ts`). */
  readonly pollsPerSecond: number;
  /** The simulator with places and submissions for `count` tasks, so that polls alone are limited. */
  simulator(count: number): Pick<SimulatorsOptions, 'limits' | 'settings'>;
  readonly direct: DirectApi;
}

const OVER = /^(?:completed|succeeded|failed|cancell?ed|expired|unknown)$/i;

const BEARER = (key: string) => ({ authorization: `Bearer ${key}` });

export const FAMILIES: readonly Family[] = [
  {
    name: 'sora',
    model: 'sora-2',
    upstream: 'openai',
    request: { duration: 4 },
    account: ({ OPENAI_BASE_URL }, callbacks) => ({
      provider: 'openai',
      // Otherwise an address on this machine counts as a compatible server, which has other limits.
      flavour: 'openai',
      base_url: OPENAI_BASE_URL,
      api_key: { env: 'OPENAI_API_KEY' },
      ...(callbacks ? { webhook_secret: { env: 'OPENAI_WEBHOOK_SECRET' } } : {}),
    }),
    callbacks: { setting: 'webhookUrl' },
    pollsPerSecond: 10,
    // Only submissions are limited there.
    simulator: () => ({ limits: false }),
    direct: {
      submit: (prompt) => ({
        path: '/v1/videos',
        body: { model: 'sora-2', prompt, seconds: '4', size: '1280x720' },
      }),
      pollPath: ({ id }) => `/v1/videos/${id}`,
      headers: BEARER,
      isOver: ({ status }) => OVER.test(status),
    },
  },
  {
    name: 'veo',
    model: 'veo-3.1-fast-generate-001',
    upstream: 'gemini',
    request: { duration: 4 },
    account: ({ GOOGLE_GEMINI_BASE_URL }) => ({
      provider: 'google',
      base_url: GOOGLE_GEMINI_BASE_URL,
      api_key: { env: 'GEMINI_API_KEY' },
    }),
    callbacks: undefined,
    pollsPerSecond: 20,
    simulator: () => ({ limits: false }),
    direct: {
      submit: (prompt) => ({
        path: '/v1beta/models/veo-3.1-fast-generate-preview:predictLongRunning',
        body: { instances: [{ prompt }], parameters: { durationSeconds: 4 } },
      }),
      pollPath: ({ name }) => `/v1beta/${name}`,
      headers: (key) => ({ 'x-goog-api-key': key }),
      isOver: ({ done }) => done === true,
    },
  },
  {
    name: 'wanxiang',
    model: 'wan2.7-t2v',
    upstream: 'dashscope',
    request: { duration: 2 },
    account: ({ DASHSCOPE_BASE_URL }) => ({
      provider: 'dashscope',
      base_url: DASHSCOPE_BASE_URL,
      api_key: { env: 'DASHSCOPE_API_KEY' },
    }),
    callbacks: undefined,
    pollsPerSecond: 20,
    simulator: (count) => ({ settings: { dashscope: { concurrency: 2 * count, submitsPerSecond: 1000 } } }),
    direct: {
      submit: (prompt) => ({
        path: '/api/v1/services/aigc/video-generation/video-synthesis',
        body: { model: 'wan2.7-t2v', input: { prompt }, parameters: { duration: 2, resolution: '720P' } },
      }),
      pollPath: ({ output }) => `/api/v1/tasks/${output.task_id}`,
      headers: (key) => ({ ...BEARER(key), 'x-dashscope-async': 'enable' }),
      isOver: ({ output }) => OVER.test(output.task_status),
    },
  },
  {
    name: 'seedance',
    model: 'seedance-2.0-fast',
    upstream: 'ark',
    request: { duration: 4, resolution: '480p' },
    account: ({ ARK_BASE_URL }) => ({
      provider: 'ark',
      base_url: ARK_BASE_URL,
      api_key: { env: 'ARK_API_KEY' },
    }),
    callbacks: {},
    pollsPerSecond: 20,
    simulator: (count) => ({
      settings: { ark: { concurrency: 2 * count, requestsPerMinute: 60_000, queued: 2 * count } },
    }),
    direct: {
      submit: (text) => ({
        path: '/api/v3/contents/generations/tasks',
        body: {
          model: 'doubao-seedance-2-0-fast-260128',
          content: [{ type: 'text', text }],
          duration: 4,
          resolution: '480p',
        },
      }),
      pollPath: ({ id }) => `/api/v3/contents/generations/tasks/${id}`,
      headers: BEARER,
      isOver: ({ status }) => OVER.test(status),
    },
  },
];
