/** The company behind a provider, and the settings that enable it. */
interface ProviderInfo {
  readonly title: string;
  readonly settings: readonly string[];
}

const PROVIDERS = {
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
} as const satisfies Readonly<Record<string, ProviderInfo>>;

/** The providers that built-in models may name. */
export type BuiltInProvider = keyof typeof PROVIDERS;

/** Operators can add models of other providers. */
const infoOf = (provider: string): ProviderInfo | undefined =>
  Object.hasOwn(PROVIDERS, provider) ? PROVIDERS[provider as BuiltInProvider] : undefined;

export const providerTitle = (provider: string): string => infoOf(provider)?.title ?? provider;

export const providerSettings = (provider: string): readonly string[] => infoOf(provider)?.settings ?? [];
