import { z } from 'zod';
import type { AccountLimits } from '../account.ts';
import {
  baseUrl,
  COMMON_ACCOUNT,
  type CommonAccount,
  type Environment,
  type ProviderDefinition,
} from '../definition.ts';
import { createScrub, type Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { refusalError } from '../mapping/errorTable.ts';
import type { Abilities } from '../provider.ts';
import { type AuthHeaders, createAccessTokens } from './accessToken.ts';
import { REFUSALS, refusalOf } from './errors.ts';
import { createGoogleProvider } from './provider.ts';
import { GEMINI_URL, geminiService, STORAGE_URL, vertexService, vertexUrl } from './services.ts';

interface GeminiAccount extends CommonAccount {
  readonly api: 'gemini';
  readonly api_key: string;
  readonly base_url?: string | undefined;
}

interface VertexAccount extends CommonAccount {
  readonly api: 'vertex';
  readonly project: string;
  readonly location: string;
  readonly credentials_file?: string | undefined;
  readonly storage_uri?: string | undefined;
  readonly base_url?: string | undefined;
  readonly storage_url?: string | undefined;
}

type GoogleAccount = GeminiAccount | VertexAccount;

/** Where Veo is offered in every variant; `@google/genai` would take `global`, where it is not. */
const LOCATION = 'us-central1';

const LIMITS: Readonly<Record<GoogleAccount['api'], AccountLimits>> = {
  gemini: {
    // The figures depend on the usage tier and are shown in AI Studio alone: those of a small paid tier.
    inFlight: 10,
    startsPerMinute: 10,
    asksPerSecond: 5,
    askBatch: 1,
    // The documents' examples ask every 10 seconds.
    minAskIntervalMs: 5_000,
  },
  vertex: {
    // Jobs at a time are not limited as such: as many as the starts of a minute make in the two minutes a job takes.
    inFlight: 100,
    // Quota "online prediction requests per base model": 50 a minute in a region.
    startsPerMinute: 50,
    asksPerSecond: 10,
    askBatch: 1,
    minAskIntervalMs: 5_000,
  },
};

/** There is no list of operations and no way to stop one, and neither progress nor callbacks. */
const ABILITIES: Abilities = {
  cancel: 'none',
  find: 'none',
  resumeDownload: true,
  batchPolling: false,
  callbacks: false,
  hints: false,
  progress: false,
  discard: false,
  resumeJob: false,
  upstreamTime: false,
};

const name = z.string().regex(/^[\w.:-]+$/, 'must be an id as Google Cloud writes it');
const project = z
  .string(
    'is missing: Vertex AI needs the id of a Google Cloud project (in the environment, GOOGLE_CLOUD_PROJECT)',
  )
  .pipe(name);

/** Accounts of Google: Veo on the Gemini API, with a key, or on Vertex AI, with a project. */
export const googleDefinition: ProviderDefinition<GoogleAccount> = {
  id: 'google',
  abilities: { gemini: ABILITIES, vertex: ABILITIES },

  schema: (secret) =>
    z.preprocess(
      withApi,
      z.discriminatedUnion('api', [
        z.strictObject({
          api: z.literal('gemini'),
          api_key: secret,
          /** Without the version. Default: Google's own. */
          base_url: baseUrl.optional(),
          ...COMMON_ACCOUNT,
        }),
        z.strictObject({
          api: z.literal('vertex'),
          project,
          location: name.default(LOCATION),
          /** A service account key, or another file of credentials. Default: application default credentials. */
          credentials_file: z.string().min(1).optional(),
          /** Where Vertex AI puts results. Default: nowhere, they come inside the answer. */
          storage_uri: z
            .string()
            .regex(/^gs:\/\/[^/]+/, 'must be like gs://bucket/folder')
            .optional(),
          /** Without the version. Default: Google's own for the location. */
          base_url: baseUrl.optional(),
          /** Of Cloud Storage. Default: Google's own. */
          storage_url: baseUrl.optional(),
          ...COMMON_ACCOUNT,
        }),
      ]),
    ),

  fromEnvironment: (env) => (usesVertex(env) ? vertexFrom(env) : geminiFrom(env)),

  open(account, { openHttp }) {
    const secrets = account.api === 'gemini' ? [account.api_key] : [];
    const scrub = createScrub(secrets);
    const { base, service, headers } = account.api === 'gemini' ? openGemini(account) : openVertex(account);
    const http: UpstreamHttp = openHttp({
      baseUrl: base,
      // Access tokens are asked for through the same client.
      headers: (signal) => authorise(signal),
      secrets,
      refusal: refusalOf,
      error: (refusal) => refusalError(REFUSALS, refusal),
    });
    const authorise = headers(scrub, http);
    return {
      provider: createGoogleProvider({ service, http, scrub }),
      region: account.api,
      // Its own address may be said, too; whoever else speaks the protocol may still have them.
      retiresModels: new URL(base).hostname.endsWith('.googleapis.com'),
      limits: LIMITS[account.api],
    };
  },
};

/** A key is for the Gemini API, a project for Vertex AI: `api` need be said by nobody. */
function withApi(members: unknown): unknown {
  if (typeof members !== 'object' || members === null || 'api' in members) return members;
  return { ...members, api: 'project' in members ? 'vertex' : 'gemini' };
}

function openGemini({ api_key: key, base_url: base = GEMINI_URL }: GeminiAccount) {
  const headers = (): AuthHeaders => async () => ({ 'x-goog-api-key': key });
  return { base, service: geminiService(base), headers };
}

function openVertex(account: VertexAccount) {
  const { project, location, storage_uri: storageUri, credentials_file: file } = account;
  const { base_url: base = vertexUrl(location), storage_url: storageUrl = STORAGE_URL } = account;
  const service = vertexService({ project, location, storageUri, storageUrl });
  return {
    base,
    service,
    headers: (scrub: Scrub, http: UpstreamHttp) => createAccessTokens(file, scrub, http),
  };
}

/** The words that `@google/genai` takes for yes; it has called the service by another name since 3.0. */
const usesVertex = (env: Environment): boolean =>
  /^(true|1)$/i.test(env.GOOGLE_GENAI_USE_ENTERPRISE || env.GOOGLE_GENAI_USE_VERTEXAI || '');

/** Whoever asks for Vertex AI and names no project has an account that lacks it: that is reported, not ignored. */
function vertexFrom(env: Environment): Record<string, unknown> {
  return {
    api: 'vertex',
    project: env.GOOGLE_CLOUD_PROJECT || undefined,
    ...(env.GOOGLE_CLOUD_LOCATION ? { location: env.GOOGLE_CLOUD_LOCATION } : {}),
    ...(env.GOOGLE_APPLICATION_CREDENTIALS ? { credentials_file: env.GOOGLE_APPLICATION_CREDENTIALS } : {}),
    ...(env.GOOGLE_VERTEX_BASE_URL ? { base_url: env.GOOGLE_VERTEX_BASE_URL } : {}),
    ...(env.STORAGE_EMULATOR_HOST ? { storage_url: withScheme(env.STORAGE_EMULATOR_HOST) } : {}),
  };
}

/** The variable of Google's storage clients may be a bare host and port. */
const withScheme = (host: string): string => (host.includes('://') ? host : `http://${host}`);

function geminiFrom(env: Environment): Record<string, unknown> | undefined {
  // `@google/genai` too prefers GOOGLE_API_KEY where both are set.
  const variable = ['GOOGLE_API_KEY', 'GEMINI_API_KEY'].find((candidate) => env[candidate]);
  if (variable === undefined) return undefined;
  return {
    api: 'gemini',
    api_key: { env: variable },
    ...(env.GOOGLE_GEMINI_BASE_URL ? { base_url: env.GOOGLE_GEMINI_BASE_URL } : {}),
  };
}
