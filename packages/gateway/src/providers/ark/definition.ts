import { z } from 'zod';
import { baseUrl } from '../../settingSchemas.ts';
import type { AccountLimits } from '../account.ts';
import { COMMON_ACCOUNT, type CommonAccount, type ProviderDefinition } from '../definition.ts';
import { createArkProvider } from './provider.ts';

/** The two services. They speak one protocol but share no model id. `at` matches the hosts of each. */
const REGIONS = {
  volcengine: { baseUrl: 'https://ark.cn-beijing.volces.com/api/v3', at: /\.volces\.com$/ },
  byteplus: { baseUrl: 'https://ark.ap-southeast.bytepluses.com/api/v3', at: /\.bytepluses\.com$/ },
} as const;

type Region = keyof typeof REGIONS;

/** The services' own names of their regions, which people may have in `ARK_REGION`. */
const REGION_ALIASES: Readonly<Record<string, Region>> = {
  'cn-beijing': 'volcengine',
  'ap-southeast': 'byteplus',
  'ap-southeast-1': 'byteplus',
};

interface ArkAccount extends CommonAccount {
  readonly apiKey: string;
  readonly region: Region | undefined;
  readonly baseUrl: string | undefined;
  readonly discards: boolean;
}

/**
 * BytePlus "Model list" and "Video generation tutorial", "Limitations". Ten tasks of a model run at a time (three for a
 * personal account), which for five live models makes 50. Ark queues further ones. A personal account may create 180 tasks a
 * minute. A page may have 500 tasks, but only 180 ids fit into the 8 kB that servers accept for a URL.
 */
const LIMITS: AccountLimits = {
  inFlight: 50,
  submitsPerMinute: 180,
  pollsPerSecond: 20,
  pollBatch: 180,
  minPollIntervalMs: 1000,
};

/** "page_size: 1 to 500." */
const LARGEST_BATCH = 500;

/** Seedance at Volcengine Ark and BytePlus ModelArk; docs/providers/ark.md. */
export const arkDefinition: ProviderDefinition<ArkAccount> = {
  id: 'ark',
  abilities: {
    ark: {
      // `DELETE` of a running task is refused.
      cancel: 'queued',
      // The order of the list is not documented.
      find: 'unique',
      resumeDownload: true,
      batchPolling: true,
      callbacks: true,
      hints: false,
      progress: false,
      queuePosition: false,
      startedAt: true,
      endedAt: true,
      pollAfter: true,
      discard: true,
      resumeJob: false,
      upstreamTime: true,
      fleet: false,
    },
  },
  schema: (secret) =>
    z
      .strictObject({
        ...COMMON_ACCOUNT,
        api_key: secret,
        region: z.enum(['volcengine', 'byteplus']).optional(),
        base_url: baseUrl.optional(),
        delete_after_collect: z.boolean().default(false),
      })
      .transform(({ api_key, base_url, delete_after_collect, ...rest }) => ({
        ...rest,
        region: rest.region,
        apiKey: api_key,
        baseUrl: base_url,
        discards: delete_after_collect,
      })),
  variables: ['ARK_API_KEY', 'ARK_BASE_URL', 'ARK_REGION'],
  fromEnvironment(env) {
    const { ARK_API_KEY: key, ARK_BASE_URL: url, ARK_REGION: region } = env;
    if (!key) return undefined;
    return {
      api_key: { env: 'ARK_API_KEY' },
      ...(url ? { base_url: url } : {}),
      ...(region ? { region: REGION_ALIASES[region] ?? region } : {}),
    };
  },
  open(account, { log, clock, callback, permits, openHttp }) {
    const { hostname } = new URL(account.baseUrl ?? REGIONS.volcengine.baseUrl);
    const region = account.region ?? regionAt(hostname) ?? 'volcengine';
    const batch = Math.min(account.limits?.pollBatch ?? LIMITS.pollBatch, LARGEST_BATCH);
    return {
      provider: createArkProvider({
        apiKey: account.apiKey,
        baseUrl: account.baseUrl ?? REGIONS[region].baseUrl,
        batch,
        queriesPerSecond: account.limits?.pollsPerSecond ?? LIMITS.pollsPerSecond,
        discards: account.discards,
        callback,
        permits,
        openHttp,
        log,
        clock,
      }),
      service: region,
      official: account.baseUrl === undefined || regionAt(hostname) !== undefined,
      limits: LIMITS,
    };
  },
};

function regionAt(hostname: string): Region | undefined {
  if (REGIONS.byteplus.at.test(hostname)) return 'byteplus';
  return REGIONS.volcengine.at.test(hostname) ? 'volcengine' : undefined;
}
