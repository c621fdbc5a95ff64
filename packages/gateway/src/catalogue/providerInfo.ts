/** One of the services or regions of a provider, and the settings that enable it. */
interface ServiceInfo {
  readonly title: string;
  readonly settings: string;
}

/** Protocols of providers that have more than one, besides their usual ones. */
export const PROTOCOLS = ['interactions'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** The company behind a provider, and its services by the names that accounts and catalogue entries use. */
interface ProviderInfo {
  readonly title: string;
  readonly services: Readonly<Record<string, ServiceInfo>>;
  /** Hosts models of many makers, each with inputs of its own. */
  readonly hostsModels?: true;
  readonly protocols?: readonly Protocol[];
  /** Tells how many tokens it bills for a video. */
  readonly reportsTokens?: true;
}

const MODEL_STUDIO_KEY = 'DASHSCOPE_API_KEY';

const PROVIDERS = {
  openai: {
    title: 'OpenAI',
    services: {
      openai: { title: 'OpenAI', settings: 'OPENAI_API_KEY' },
      azure: { title: 'Azure OpenAI', settings: 'OPENAI_API_KEY with OPENAI_BASE_URL' },
    },
  },
  google: {
    title: 'Google',
    services: {
      gemini: { title: 'Gemini API', settings: 'GEMINI_API_KEY' },
      vertex: {
        title: 'Vertex AI',
        settings: 'GOOGLE_GENAI_USE_VERTEXAI with GOOGLE_CLOUD_PROJECT',
      },
    },
    protocols: ['interactions'],
  },
  dashscope: {
    title: 'Alibaba Cloud Model Studio',
    services: {
      beijing: { title: 'Model Studio Beijing', settings: MODEL_STUDIO_KEY },
      singapore: { title: 'Model Studio Singapore', settings: MODEL_STUDIO_KEY },
      virginia: { title: 'Model Studio Virginia', settings: MODEL_STUDIO_KEY },
    },
  },
  ark: {
    title: 'Volcengine Ark or BytePlus ModelArk',
    services: {
      volcengine: { title: 'Volcengine Ark', settings: 'ARK_API_KEY' },
      byteplus: { title: 'BytePlus ModelArk', settings: 'ARK_API_KEY with ARK_REGION=byteplus' },
    },
    reportsTokens: true,
  },
  xai: { title: 'xAI', services: { xai: { title: 'xAI', settings: 'XAI_API_KEY' } } },
  minimax: { title: 'MiniMax', services: { minimax: { title: 'MiniMax', settings: 'MINIMAX_API_KEY' } } },
  fal: { title: 'fal', services: { fal: { title: 'fal', settings: 'FAL_KEY' } }, hostsModels: true },
  replicate: {
    title: 'Replicate',
    services: { replicate: { title: 'Replicate', settings: 'REPLICATE_API_TOKEN' } },
    hostsModels: true,
  },
  preview: {
    title: 'Onetake',
    services: { preview: { title: 'this gateway', settings: 'ONETAKE_PREVIEW_CONCURRENCY' } },
  },
} as const satisfies Readonly<Record<string, ProviderInfo>>;

/** The providers that built-in models may name. */
export type BuiltInProvider = keyof typeof PROVIDERS;

/** Operators can add models of other providers. */
const infoOf = (provider: string): ProviderInfo | undefined =>
  Object.hasOwn(PROVIDERS, provider) ? PROVIDERS[provider as BuiltInProvider] : undefined;

/** The title of the gateway's own providers. Files of others have theirs; of a package that an operator added only the name is known. */
export const builtInTitle = (provider: string): string => infoOf(provider)?.title ?? provider;

/** The provider's services by name; empty for a provider that operators added. */
export const servicesOf = (provider: string): Readonly<Record<string, ServiceInfo>> =>
  infoOf(provider)?.services ?? {};

export const serviceTitle = (provider: string, service: string): string =>
  servicesOf(provider)[service]?.title ?? service;

/** Whether entries may say how a model spells its inputs. Providers that operators add are packages of the AI SDK, which take any input. */
export const takesAnyInput = (provider: string): boolean => {
  const info = infoOf(provider);
  return info === undefined || info.hostsModels === true;
};

/** Whether models of the provider can be made by this protocol. */
export const hasProtocol = (provider: string, protocol: Protocol): boolean =>
  infoOf(provider)?.protocols?.includes(protocol) === true;

/** Whether a price for each token has an effect. */
export const reportsTokens = (provider: string): boolean => infoOf(provider)?.reportsTokens === true;
