import type { AccountLimits } from '../account.ts';
import type { Abilities } from '../provider.ts';

/** The services that speak the Videos protocol, by how they differ. */
export const FLAVOUR_IDS = ['openai', 'azure', 'compatible'] as const;
export type FlavourId = (typeof FLAVOUR_IDS)[number];

export interface Flavour {
  /** Where the service is unless an account says otherwise. */
  readonly baseUrl?: string;
  /** What follows a base URL that is a bare origin. */
  readonly path?: string;
  /** The service's own hosts; another host is somebody else who speaks the same. */
  readonly hosts?: RegExp;
  /** From when on the service's own hosts no longer have the models that the catalogue calls retired. Milliseconds UTC. */
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
    // OpenAI, "Deprecations": the Videos API and its models ended on that day.
    retiredFrom: Date.parse('2026-09-24'),
    keyHeader: bearer,
    abilities: ABILITIES,
    limits: {
      // Jobs at a time are not documented: as many as the starts of a minute make in the four minutes a job takes.
      inFlight: 100,
      // Model page of sora-2: 25 requests a minute in usage tier 1.
      startsPerMinute: 25,
      asksPerSecond: 10,
      askBatch: 1,
      // Guide "Video generation with Sora": poll every 10 to 20 seconds.
      minAskIntervalMs: 10_000,
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
      startsPerMinute: 60,
      asksPerSecond: 10,
      askBatch: 1,
      minAskIntervalMs: 5_000,
    },
  },
  compatible: {
    retiredFrom: Number.POSITIVE_INFINITY,
    keyHeader: bearer,
    // vLLM-Omni, "Videos API": DELETE aborts the job; SGLang Diffusion forgets it.
    abilities: { ...ABILITIES, cancel: 'any' },
    // A server of one's own queues by itself and answers at once: few jobs, asked about often.
    limits: {
      inFlight: 8,
      startsPerMinute: 600,
      asksPerSecond: 20,
      askBatch: 1,
      minAskIntervalMs: 1_000,
    },
  },
};

/** Which service is at an address, where the account does not say. */
export function flavourAt(baseUrl: string | undefined): FlavourId {
  if (baseUrl === undefined) return 'openai';
  const { hostname } = new URL(baseUrl);
  return FLAVOUR_IDS.find((id) => FLAVOURS[id].hosts?.test(hostname)) ?? 'compatible';
}

/** Whether the models that the catalogue calls retired are gone at this address. `now` in milliseconds UTC. */
export function hasRetired({ hosts, retiredFrom }: Flavour, baseUrl: string, now: number): boolean {
  return (hosts?.test(new URL(baseUrl).hostname) ?? false) && now >= retiredFrom;
}
