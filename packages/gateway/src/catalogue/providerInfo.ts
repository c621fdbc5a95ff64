/** The company behind an adapter, and the settings that enable it. */
interface ProviderFacts {
  readonly title: string;
  readonly settings: readonly string[];
}

const PROVIDERS: Readonly<Record<string, ProviderFacts>> = {
  openai: { title: 'OpenAI', settings: ['OPENAI_API_KEY'] },
  google: {
    title: 'Google',
    settings: ['GEMINI_API_KEY, or Google application default credentials for Vertex AI'],
  },
  dashscope: { title: 'Alibaba Cloud Model Studio', settings: ['DASHSCOPE_API_KEY'] },
  ark: { title: 'Volcengine Ark or BytePlus ModelArk', settings: ['ARK_API_KEY'] },
  xai: { title: 'xAI', settings: ['XAI_API_KEY'] },
  minimax: { title: 'MiniMax', settings: ['MINIMAX_API_KEY'] },
  fal: { title: 'fal', settings: ['FAL_KEY'] },
  replicate: { title: 'Replicate', settings: ['REPLICATE_API_TOKEN'] },
  preview: { title: 'Onetake', settings: ['ONETAKE_PREVIEW_CONCURRENCY'] },
};

export const providerTitle = (provider: string): string => PROVIDERS[provider]?.title ?? provider;

export const providerSettings = (provider: string): readonly string[] => PROVIDERS[provider]?.settings ?? [];
