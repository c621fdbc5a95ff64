import { createCatalogue, SHIPPED_MODELS } from '@onetake/gateway';

/** A family of models, or a provider of several families, with one of its models. */
export interface Family {
  readonly title: string;
  readonly model: string;
}

/** Every family and provider that comes with the gateway, in the order of the demo. */
export const FAMILIES: readonly Family[] = [
  { title: 'Gemini Omni', model: 'gemini-omni-1.2-flash' },
  { title: 'Veo', model: 'veo-3.1-generate-001' },
  { title: 'Sora 2', model: 'sora-2' },
  { title: 'Wanxiang', model: 'wan2.7-t2v' },
  { title: 'HappyHorse', model: 'happyhorse-1.1-t2v' },
  { title: 'Seedance', model: 'seedance-2.0' },
  { title: 'Kling', model: 'kling-v3' },
  { title: 'Runway', model: 'runway-gen4.5' },
  { title: 'Luma', model: 'luma-ray-2' },
  { title: 'Vidu', model: 'vidu-q3-pro' },
  { title: 'PixVerse', model: 'pixverse-v6' },
  { title: 'LTX', model: 'ltx-2-5-fast' },
  { title: 'Grok', model: 'grok-imagine-video-1.5' },
  { title: 'Hailuo', model: 'minimax-h3' },
  { title: 'fal', model: 'fal-wan-2.7' },
  { title: 'Replicate', model: 'replicate-seedance-1-pro' },
  { title: 'ComfyUI', model: 'comfyui-wan2.2-5b' },
  { title: 'built in', model: 'onetake-preview' },
];

interface Account {
  /** The simulator that plays the provider. Others (Azure, Vertex AI) would need the same variables. */
  readonly simulator: string;
  readonly baseUrl: string;
  /** Members with secrets, each with its environment variable. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The package of the AI SDK that it is reached through. */
  readonly package?: string;
}

const account = (simulator: string, baseUrl: string, key: string): Account => ({
  simulator,
  baseUrl,
  secrets: { api_key: key },
});

const throughAiSdk = (simulator: string, baseUrl: string, key: string): Account => ({
  ...account(simulator, baseUrl, key),
  package: `@ai-sdk/${simulator}`,
});

/** The account of each provider, as its environment variables would create it. */
const ACCOUNTS: Readonly<Record<string, Account>> = {
  openai: account('openai', 'OPENAI_BASE_URL', 'OPENAI_API_KEY'),
  google: account('gemini', 'GOOGLE_GEMINI_BASE_URL', 'GEMINI_API_KEY'),
  dashscope: account('dashscope', 'DASHSCOPE_BASE_URL', 'DASHSCOPE_API_KEY'),
  ark: account('ark', 'ARK_BASE_URL', 'ARK_API_KEY'),
  kling: {
    simulator: 'kling',
    baseUrl: 'KLING_BASE_URL',
    secrets: { access_key: 'KLING_ACCESS_KEY', secret_key: 'KLING_SECRET_KEY' },
  },
  runway: account('runway', 'RUNWAYML_BASE_URL', 'RUNWAYML_API_SECRET'),
  luma: account('luma', 'LUMAAI_BASE_URL', 'LUMAAI_API_KEY'),
  vidu: account('vidu', 'VIDU_BASE_URL', 'VIDU_API_KEY'),
  pixverse: account('pixverse', 'PIXVERSE_BASE_URL', 'PIXVERSE_API_KEY'),
  ltx: account('ltx', 'LTXV_BASE_URL', 'LTXV_API_KEY'),
  comfyui: account('comfyui', 'COMFYUI_BASE_URL', 'COMFYUI_API_KEY'),
  xai: throughAiSdk('xai', 'XAI_BASE_URL', 'XAI_API_KEY'),
  minimax: throughAiSdk('minimax', 'MINIMAX_VIDEO_BASE_URL', 'MINIMAX_API_KEY'),
  fal: throughAiSdk('fal', 'FAL_QUEUE_URL', 'FAL_KEY'),
  replicate: throughAiSdk('replicate', 'REPLICATE_BASE_URL', 'REPLICATE_API_TOKEN'),
};

const { get } = createCatalogue({ servers: [], declared: SHIPPED_MODELS });

/** The model as it is in the catalogue. */
export function entryOf({ model }: Family) {
  const entry = get(model);
  if (!entry) throw new Error(`the catalogue has no ${model}`);
  return entry;
}

/** The simulator that plays the provider of the family; undefined for the built-in renderer. */
export const simulatorOf = (family: Family): string | undefined =>
  ACCOUNTS[entryOf(family).provider]?.simulator;

/** The simulators of all families. */
export const SIMULATORS = Object.values(ACCOUNTS).map(({ simulator }) => simulator);

/** What the simulators that gave out this environment are in onetake.yaml: `accounts`, each with these limits. */
export const accountsIn = (
  environment: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, number>>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(ACCOUNTS)
      .filter(([, { baseUrl }]) => environment[baseUrl] !== undefined)
      .map(([id, { package: name, secrets, baseUrl }]) => [
        id,
        {
          ...(name === undefined ? { provider: id } : { provider: 'ai-sdk', package: name }),
          ...Object.fromEntries(Object.entries(secrets).map(([member, env]) => [member, { env }])),
          base_url: environment[baseUrl],
          limits,
        },
      ]),
  );

/**
 * onetake.yaml for simulators that run `speed` times as fast as the real providers: the gateway polls when a video may be finished, so it
 * must know the speed.
 */
export function settingsAtSpeed(
  speed: number,
  environment: Readonly<Record<string, string>>,
  limits: Readonly<Record<string, number>>,
): string {
  const played = FAMILIES.filter((family) => simulatorOf(family) !== undefined);
  const typical = played.map((family) => {
    const { medianSeconds, p90Seconds } = entryOf(family).typical;
    return [
      family.model,
      { typical: { medianSeconds: medianSeconds / speed, p90Seconds: p90Seconds / speed } },
    ];
  });
  // JSON is YAML.
  return JSON.stringify({ models: Object.fromEntries(typical), accounts: accountsIn(environment, limits) });
}
