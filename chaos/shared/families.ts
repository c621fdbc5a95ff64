/** One model of each family. `lists`: whether a lost submission can be searched for upstream. */
export interface Family {
  readonly upstream: string;
  readonly model: string;
  /** Prompt markers of the simulator, and the reason with which each must end. */
  readonly endings: Readonly<Record<string, string>>;
}

const ENDINGS = {
  '[moderation]': 'content_rejected',
  '[moderation-input]': 'content_rejected',
  '[fail]': 'upstream_failed',
};

export const FAMILIES: readonly Family[] = [
  { upstream: 'openai', model: 'sora-2', endings: ENDINGS },
  {
    upstream: 'gemini',
    model: 'veo-3.1-fast-generate-001',
    endings: { ...ENDINGS, '[filtered]': 'content_rejected' },
  },
  { upstream: 'dashscope', model: 'wan2.7-t2v', endings: ENDINGS },
  { upstream: 'ark', model: 'seedance-2.0-fast', endings: ENDINGS },
];

/** The renderer in the gateway itself: no upstream has records of it. */
export const BUILT_IN: Family = { upstream: 'preview', model: 'onetake-preview', endings: {} };

export const UPSTREAMS = FAMILIES.map(({ upstream }) => upstream);

const LIMITS = `limits: { in_flight: 400, submits_per_minute: 60000 }`;

/** onetake.yaml of the soak test: the providers' documented limits would spread 2,000 tasks over an hour. */
export const SETTINGS = (env: Readonly<Record<string, string>>): string => `
accounts:
  openai: { provider: openai, api_key: { env: OPENAI_API_KEY }, base_url: ${env.OPENAI_BASE_URL}, ${LIMITS} }
  google: { provider: google, api_key: { env: GEMINI_API_KEY }, base_url: ${env.GOOGLE_GEMINI_BASE_URL}, ${LIMITS} }
  dashscope: { provider: dashscope, api_key: { env: DASHSCOPE_API_KEY }, base_url: ${env.DASHSCOPE_BASE_URL}, ${LIMITS} }
  ark: { provider: ark, api_key: { env: ARK_API_KEY }, base_url: ${env.ARK_BASE_URL}, ${LIMITS} }
`;
