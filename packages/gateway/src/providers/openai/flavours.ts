import type { AccountLimits } from '../account.ts';
import type { Abilities } from '../provider.ts';
import { PAGE_SIZE } from './client.ts';

/** The kinds of services that speak the Videos protocol. */
export const FLAVOUR_IDS = ['openai', 'azure', 'compatible'] as const;
export type FlavourId = (typeof FLAVOUR_IDS)[number];

export interface Flavour {
  /** The service's address, unless an account sets another. */
  readonly baseUrl?: string;
  /** Appended to a base URL that is a bare origin. */
  readonly path?: string;
  /** The service's own hosts. Another host belongs to someone else who speaks the same protocol. */
  readonly hosts?: RegExp;
  /** When the service's own hosts stopped serving the models that the catalogue marks as retired. Milliseconds UTC. */
  readonly retiredFrom: number;
  /** The header that carries the key. */
  readonly keyHeader: (key: string) => Readonly<Record<string, string>>;
  readonly abilities: Abilities;
  readonly limits: AccountLimits;
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
};

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

export const FLAVOURS: Readonly<Record<FlavourId, Flavour>> = {
  openai: {
    baseUrl: 'https://api.openai.com/v1',
    // Regional hosts (eu.api.openai.com) are the same service.
    hosts: /(^|\.)api\.openai\.com$/,
    // OpenAI, "Deprecations": the end of the Videos API and its models.
    retiredFrom: Date.parse('2026-09-24'),
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
    // Azure OpenAI, model retirement schedule: sora-2 (2025-12-08).
    retiredFrom: Date.parse('2026-09-15'),
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
  compatible: {
    retiredFrom: Number.POSITIVE_INFINITY,
    keyHeader: bearer,
    // vLLM-Omni, "Videos API": DELETE aborts the job. SGLang Diffusion forgets it.
    abilities: { ...ABILITIES, cancel: 'any' },
    // A self-hosted server queues jobs itself and answers quickly, so it gets few jobs and frequent polls.
    limits: {
      inFlight: 8,
      submitsPerMinute: 600,
      pollsPerSecond: 20,
      // The lists of vLLM-Omni and SGLang Diffusion are sorted, whole and read what a poll reads. But a gateway may show in its list what it
      // knew at the last poll of each job (Merge Gateway, "List videos"), so an operator decides.
      pollBatch: 1,
      minPollIntervalMs: 1_000,
    },
  },
};

/** The kind of service at an address, for accounts that do not set it. */
export function flavourAt(baseUrl: string | undefined): FlavourId {
  if (baseUrl === undefined) return 'openai';
  const { hostname } = new URL(baseUrl);
  return FLAVOUR_IDS.find((id) => FLAVOURS[id].hosts?.test(hostname)) ?? 'compatible';
}

/** Whether this address no longer serves the models that the catalogue marks as retired. `now` in milliseconds UTC. */
export function hasRetired({ hosts, retiredFrom }: Flavour, baseUrl: string, now: number): boolean {
  return (hosts?.test(new URL(baseUrl).hostname) ?? false) && now >= retiredFrom;
}
