import { z } from 'zod';
import { baseUrl } from '../../settingSchemas.ts';
import { COMMON_ACCOUNT, type CommonAccount, type ProviderDefinition } from '../definition.ts';
import { PAGE_SIZE } from './list.ts';
import { createDashscopeProvider } from './provider.ts';
import { placeOf, REGION_NAMES, type Region } from './regions.ts';

interface DashscopeAccount extends CommonAccount {
  readonly api_key: string;
  readonly region?: Region | undefined;
  /** The address of a workspace or a proxy. */
  readonly base_url?: string | undefined;
}

/** "20 QPS per Alibaba Cloud account (includes all RAM users)": all keys and callers together. */
const POLLS_PER_SECOND = 20;

export const dashscopeDefinition: ProviderDefinition<DashscopeAccount> = {
  id: 'dashscope',
  abilities: {
    dashscope: {
      // "Only tasks in PENDING can be cancelled."
      cancel: 'queued',
      // Lists lag and hold no prompts.
      find: 'unique',
      resumeDownload: true,
      batchPolling: true,
      callbacks: false,
      hints: false,
      progress: false,
      queuePosition: false,
      startedAt: true,
      endedAt: true,
      pollAfter: true,
      discard: false,
      resumeJob: false,
      upstreamTime: true,
      fleet: false,
    },
  },
  schema: (secret) =>
    z.strictObject({
      ...COMMON_ACCOUNT,
      api_key: secret,
      region: z.enum(REGION_NAMES).optional(),
      base_url: baseUrl.optional(),
    }),
  // Other clients read DASHSCOPE_BASE_URL. DashScope's SDKs read DASHSCOPE_HTTP_BASE_URL.
  variables: ['DASHSCOPE_API_KEY', 'DASHSCOPE_BASE_URL', 'DASHSCOPE_HTTP_BASE_URL'],
  fromEnvironment(env) {
    if (!env.DASHSCOPE_API_KEY) return undefined;
    const url = env.DASHSCOPE_BASE_URL || env.DASHSCOPE_HTTP_BASE_URL;
    return { api_key: { env: 'DASHSCOPE_API_KEY' }, ...(url ? { base_url: url } : {}) };
  },
  open(account, { log, clock, permits, openHttp }) {
    const place = placeOf({ region: account.region, baseUrl: account.base_url });
    return {
      provider: createDashscopeProvider({
        baseUrl: place.baseUrl,
        apiKey: account.api_key,
        pollsPerSecond: account.limits?.pollsPerSecond ?? POLLS_PER_SECOND,
        permits,
        openHttp,
        log,
        clock,
      }),
      ...(place.region === undefined ? {} : { service: place.region }),
      official: place.own,
      limits: {
        // "Rate limits": five tasks of a model at a time, five submissions a second.
        inFlight: 5,
        submitsPerMinute: 300,
        pollsPerSecond: POLLS_PER_SECOND,
        pollBatch: PAGE_SIZE,
        // The documentation suggests 15 s. DashScope's own SDKs poll every 1 to 5 s.
        minPollIntervalMs: 1_000,
      },
    };
  },
};
