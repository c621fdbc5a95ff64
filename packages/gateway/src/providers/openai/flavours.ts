import type { AccountLimits } from '../account.ts';
import type { Abilities } from '../provider.ts';

/** The most jobs on a page of the list: OpenAI, API reference, "List videos" (`limit`: minimum 0, maximum 100). */
export const PAGE_SIZE = 100;

/** The kinds of services that speak the Videos protocol. */
export const FLAVOUR_IDS = ['openai', 'azure', 'sglang', 'compatible'] as const;
export type FlavourId = (typeof FLAVOUR_IDS)[number];

export interface Flavour {
  /** The service's address, unless an account sets another. */
  readonly baseUrl?: string;
  /** Appended to a base URL that is a bare origin. */
  readonly path?: string;
  /** The service's own hosts. Another host belongs to someone else who speaks the same protocol. */
  readonly hosts?: RegExp;
  /** The header that carries the key. */
  readonly keyHeader: (key: string) => Readonly<Record<string, string>>;
  readonly abilities: Abilities;
  readonly limits: AccountLimits;
  /** Whether the server may need no key. */
  readonly keyOptional?: boolean;
  /** A request without an image is sent as JSON, unless an account says otherwise. */
  readonly jsonCreate?: boolean;
  /** A finished job may have a link (`url`) instead of content. */
  readonly linksResults?: boolean;
}

const ABILITIES: Abilities = {
  // openapi.yaml, deleteVideo: "a completed or failed video".
  cancel: 'none',
  find: 'full',
  resumeDownload: true,
  batchPolling: false,
  callbacks: true,
  hints: false,
  progress: true,
  queuePosition: false,
  startedAt: false,
  endedAt: true,
  pollAfter: true,
  discard: true,
  resumeJob: false,
  upstreamTime: true,
  fleet: false,
};

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

/** A self-hosted server queues jobs itself and answers quickly, so it gets few jobs and frequent polls. */
const SELF_HOSTED: AccountLimits = {
  inFlight: 8,
  submitsPerMinute: 600,
  pollsPerSecond: 20,
  // The lists of vLLM-Omni and SGLang Diffusion are sorted, whole and read what a poll reads. But a gateway may show in its list what it
  // knew at the last poll of each job (Merge Gateway, "List videos"), so an operator decides.
  pollBatch: 1,
  minPollIntervalMs: 1_000,
};

export const FLAVOURS: Readonly<Record<FlavourId, Flavour>> = {
  openai: {
    baseUrl: 'https://api.openai.com/v1',
    // Regional hosts (eu.api.openai.com) are the same service.
    hosts: /(^|\.)api\.openai\.com$/,
    keyHeader: bearer,
    abilities: { ...ABILITIES, batchPolling: true },
    limits: {
      // Jobs at a time are not documented. A job takes about four minutes, which at 25 starts a minute makes 100 jobs.
      inFlight: 100,
      // Model page of sora-2: 25 requests a minute in usage tier 1.
      submitsPerMinute: 25,
      pollsPerSecond: 10,
      pollBatch: PAGE_SIZE,
      // OpenAI's own SDKs (`videos.poll`) poll every second, unless `openai-poll-after-ms` says otherwise.
      minPollIntervalMs: 1_000,
    },
  },
  azure: {
    path: '/openai/v1',
    hosts: /\.(openai|services\.ai|cognitiveservices)\.azure\.(com|us|cn)$/,
    keyHeader: (key) => ({ 'api-key': key }),
    abilities: ABILITIES,
    limits: {
      // Azure OpenAI, "Video generation with Sora": two jobs at a time.
      inFlight: 2,
      submitsPerMinute: 60,
      pollsPerSecond: 10,
      // Microsoft's reference of the list names no most jobs of a page, and polls of two jobs leave nothing to save.
      pollBatch: 1,
      minPollIntervalMs: 1_000,
    },
  },
  sglang: {
    path: '/v1',
    keyHeader: bearer,
    keyOptional: true,
    // `video_api.py`: DELETE forgets a job, which goes on and keeps its GPU. Lists have no prompts, by which a job could be recognised.
    abilities: { ...ABILITIES, find: 'absent', fleet: true },
    limits: SELF_HOSTED,
    // Versions before 0.5.10 take a form only with an image.
    jsonCreate: true,
    linksResults: true,
  },
  compatible: {
    keyHeader: bearer,
    keyOptional: true,
    // vLLM-Omni, "Videos API": DELETE aborts the job.
    abilities: { ...ABILITIES, cancel: 'any', fleet: true },
    limits: SELF_HOSTED,
  },
};

/** The kind of service at an address, for accounts that do not set it. */
export function flavourAt(baseUrl: string | undefined): FlavourId {
  if (baseUrl === undefined) return 'openai';
  const { hostname } = new URL(baseUrl);
  return FLAVOUR_IDS.find((id) => FLAVOURS[id].hosts?.test(hostname)) ?? 'compatible';
}

/** Whether this address is one of the service's own. */
export function isOfficial({ hosts }: Flavour, baseUrl: string): boolean {
  return hosts?.test(new URL(baseUrl).hostname) ?? false;
}
