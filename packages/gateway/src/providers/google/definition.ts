import { z } from 'zod';
import { BUILT_IN } from '../../catalogue/entries/index.ts';
import type { UpstreamRequest } from '../../catalogue/upstream.ts';
import { baseUrl, hostLabel } from '../../settingSchemas.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { AccountLimits } from '../account.ts';
import { modelsOf } from '../accounts.ts';
import {
  COMMON_ACCOUNT,
  type CommonAccount,
  type Environment,
  type ProviderDefinition,
} from '../definition.ts';
import { createScrub, type Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { refusalError } from '../mapping/errorTable.ts';
import type { Abilities, Handle, Provider } from '../provider.ts';
import type { AuthHeaders } from './accessToken.ts';
import { REFUSALS, refusalOf } from './errors.ts';
import { GEMINI_URL } from './files.ts';
import { createOmniProvider, interactionName, isInteraction } from './omni/provider.ts';
import { createVeoProvider } from './veo/provider.ts';
import { geminiService, STORAGE_URL, vertexService, vertexUrl } from './veo/services.ts';

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

/** Offers every variant of Veo. The default of `@google/genai`, `global`, does not. */
const LOCATION = 'us-central1';

const LIMITS: Readonly<Record<GoogleAccount['api'], AccountLimits>> = {
  gemini: {
    // The limits depend on the usage tier, and only AI Studio shows them. These are the limits of a small paid tier.
    inFlight: 10,
    submitsPerMinute: 10,
    // Not documented: each of ten jobs every second is half of this. A 429 makes polls rarer.
    pollsPerSecond: 20,
    pollBatch: 1,
    minPollIntervalMs: 1_000,
  },
  vertex: {
    // Jobs at a time are not limited. A job takes about two minutes, which at 50 starts a minute makes 100 jobs.
    inFlight: 100,
    // Quota "online prediction requests per base model": 50 a minute in a region.
    submitsPerMinute: 50,
    pollsPerSecond: 20,
    pollBatch: 1,
    minPollIntervalMs: 1_000,
  },
};

/** Veo: there is no list of operations, no way to stop one, no progress and no callbacks. */
const VEO: Abilities = {
  cancel: 'none',
  find: 'none',
  resumeDownload: true,
  batchPolling: false,
  callbacks: false,
  hints: false,
  progress: false,
  queuePosition: false,
  startedAt: false,
  endedAt: false,
  pollAfter: true,
  discard: false,
  resumeJob: false,
  upstreamTime: false,
  fleet: false,
};

/** Omni: an interaction can be stopped and says when it was over. There is no list either. */
const OMNI: Abilities = { ...VEO, cancel: 'any', endedAt: true, upstreamTime: true };

const project = z
  .string(
    'is missing: Vertex AI needs the id of a Google Cloud project (in the environment, GOOGLE_CLOUD_PROJECT)',
  )
  .regex(/^[\w.:-]+$/, 'must be an id as Google Cloud writes it');
const location = hostLabel(`must be a location as Google Cloud writes it, such as ${LOCATION}`);

/** Accounts of Google: Omni, and Veo as far as it is served there, on the Gemini API, with a key; Veo on Vertex AI, with a project. */
export const googleDefinition: ProviderDefinition<GoogleAccount> = {
  id: 'google',
  abilities: { gemini: OMNI, vertex: VEO },

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
          location: location.default(LOCATION),
          /** A service account key or another credentials file. Default: application default credentials. */
          credentials_file: z.string().min(1).optional(),
          /** Where Vertex AI stores results. Default: results come inside the answer. */
          storage_uri: z
            .string()
            .regex(/^gs:\/\/[^/]+/, 'must be like gs://bucket/folder')
            .optional(),
          /** Without the version. Default: Google's own for the location. */
          base_url: baseUrl.optional(),
          /** The base URL of Cloud Storage. Default: Google's own. */
          storage_url: baseUrl.optional(),
          ...COMMON_ACCOUNT,
        }),
      ]),
    ),

  variables: [
    'GOOGLE_API_KEY',
    'GEMINI_API_KEY',
    'GOOGLE_GEMINI_BASE_URL',
    'GOOGLE_GENAI_USE_ENTERPRISE',
    'GOOGLE_GENAI_USE_VERTEXAI',
    'GOOGLE_VERTEX_BASE_URL',
  ],
  sharedVariables: [
    'GOOGLE_CLOUD_PROJECT',
    'GOOGLE_CLOUD_LOCATION',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'STORAGE_EMULATOR_HOST',
  ],
  fromEnvironment: (env) => (usesVertex(env) ? vertexFrom(env) : geminiFrom(env)),

  async check(account, id) {
    if (account.api !== 'vertex') return;
    const omni = BUILT_IN.find(({ id: model, protocol }) => protocol && modelsOf(account)?.has(model));
    if (omni) {
      const text = `accounts.${id}.models: Vertex AI has no ${omni.id}; name it in an account of the Gemini API (api_key).`;
      throw new OnetakeError('invalid_settings', 400, text);
    }
    if (account.credentials_file === undefined) return;
    const { credentialsProblem } = await import('./accessToken.ts');
    const problem = await credentialsProblem(account.credentials_file);
    if (problem === undefined) return;
    const where = `accounts.${id}.credentials_file (in the environment, GOOGLE_APPLICATION_CREDENTIALS)`;
    throw new OnetakeError('invalid_settings', 400, `${where}: ${account.credentials_file} ${problem}.`);
  },

  async open(account, { openHttp, log }) {
    const secrets = account.api === 'gemini' ? [account.api_key] : [];
    const scrub = createScrub(secrets);
    const { base, service, headers } =
      account.api === 'gemini' ? openGemini(account) : await openVertex(account);
    const http: UpstreamHttp = openHttp({
      baseUrl: base,
      // Access tokens are requested through the same client.
      headers: (signal) => authorise(signal),
      secrets,
      refusal: refusalOf,
      error: (refusal) => refusalError(REFUSALS, refusal),
    });
    const authorise = headers(scrub, http);
    const veo = createVeoProvider({ service, http, scrub });
    const omni = createOmniProvider({ http, scrub, base, log });
    return {
      provider: account.api === 'gemini' ? createGeminiProvider({ omni, veo, http }) : veo,
      service: account.api,
      // `base_url` may name Google's own address.
      official: new URL(base).hostname.endsWith('.googleapis.com'),
      // A proxy of Vertex AI has what Vertex AI has, and its adapter has one protocol.
      protocols: account.api === 'vertex' ? [] : undefined,
      limits: LIMITS[account.api],
    };
  },
};

/** Derives `api`, so that nobody has to write it: a project means Vertex AI, a key the Gemini API. */
function withApi(members: unknown): unknown {
  if (typeof members !== 'object' || members === null || 'api' in members) return members;
  return { ...members, api: 'project' in members ? 'vertex' : 'gemini' };
}

function openGemini({ api_key: key, base_url: base = GEMINI_URL }: GeminiAccount) {
  const headers = (): AuthHeaders => async () => ({ 'x-goog-api-key': key });
  return { base, service: geminiService(base), headers };
}

interface GeminiParts {
  readonly omni: Provider;
  readonly veo: Provider;
  /** The client of both. */
  readonly http: UpstreamHttp;
}

/**
 * An account of the Gemini API, which has a protocol for Omni and another for Veo. The catalogue tells which one makes a model, and the name of a
 * job which one has made it.
 */
function createGeminiProvider({ omni, veo, http }: GeminiParts): Provider {
  const maker = ({ protocol }: UpstreamRequest): Provider => (protocol === 'interactions' ? omni : veo);
  const makerOf = (handle: Handle): Provider => (isInteraction(handle) ? omni : veo);
  return {
    submit: (job, sending) => maker(job.request).submit(job, sending),
    refusedOptions: (request, upstreamModel) => maker(request).refusedOptions(request, upstreamModel),
    poll: (handle, signal) => makerOf(handle).poll(handle, signal),
    nobodysId: interactionName,
    open: (handle, result, offset, signal) => makerOf(handle).open(handle, result, offset, signal),
    // Operations of Veo cannot be stopped.
    cancel: async (handle, signal) => (await makerOf(handle).cancel?.(handle, signal)) ?? 'too_late',
    upstreamTime: http.upstreamTime,
    close: () => http.close(),
  };
}

async function openVertex(account: VertexAccount) {
  // Imported only if there is such an account, because Google's library takes a while to load.
  const { createAccessTokens } = await import('./accessToken.ts');
  const { project, location, storage_uri: storageUri, credentials_file: file } = account;
  const { base_url: base = vertexUrl(location), storage_url: storageUrl = STORAGE_URL } = account;
  const service = vertexService({ project, location, storageUri, storageUrl });
  return {
    base,
    service,
    headers: (scrub: Scrub, http: UpstreamHttp) => createAccessTokens(file, scrub, http),
  };
}

/** The values that `@google/genai` takes as true. Since 3.0 it uses another name for the service. */
const usesVertex = (env: Environment): boolean =>
  /^(true|1)$/i.test(env.GOOGLE_GENAI_USE_ENTERPRISE || env.GOOGLE_GENAI_USE_VERTEXAI || '');

/** Without a project the account is incomplete, which is reported and not ignored. */
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

/** The variable of Google's storage clients may hold a bare host and port. */
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
