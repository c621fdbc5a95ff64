import { createCatalogue } from '@onetake/gateway';

/** The account of each provider, as its environment variables would create it. */
const ACCOUNTS: Readonly<Record<string, { readonly key: string; readonly baseUrl: string }>> = {
  openai: { key: 'OPENAI_API_KEY', baseUrl: 'OPENAI_BASE_URL' },
  google: { key: 'GEMINI_API_KEY', baseUrl: 'GOOGLE_GEMINI_BASE_URL' },
  dashscope: { key: 'DASHSCOPE_API_KEY', baseUrl: 'DASHSCOPE_BASE_URL' },
  ark: { key: 'ARK_API_KEY', baseUrl: 'ARK_BASE_URL' },
};

/** The shortest time between two polls of a simulator; the providers themselves require seconds. Milliseconds. */
const ASK_EVERY_MS = 250;

/**
 * The text of an onetake.yaml for upstreams that run `speed` times as fast as the real ones: the gateway polls when a
 * video may be finished, so it must know the speed.
 */
export function settingsAtSpeed(
  speed: number,
  models: readonly string[],
  environment: Readonly<Record<string, string>>,
): string {
  const catalogue = createCatalogue({ servers: [] });
  const typical = models.map((id) => {
    const { medianSeconds = 0, p90Seconds = 0 } = catalogue.get(id)?.typical ?? {};
    return [
      id,
      { typical: { medianSeconds: medianSeconds / speed, p90Seconds: p90Seconds / speed } },
    ] as const;
  });
  const accounts = Object.entries(ACCOUNTS).map(([provider, { key, baseUrl }]) => [
    provider,
    {
      provider,
      api_key: { env: key },
      base_url: environment[baseUrl],
      limits: { min_poll_interval_ms: ASK_EVERY_MS },
    },
  ]);
  // JSON is YAML.
  return JSON.stringify({ models: Object.fromEntries(typical), accounts: Object.fromEntries(accounts) });
}
