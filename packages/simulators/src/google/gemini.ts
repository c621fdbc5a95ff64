import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { sendBytes } from '../core/http/sendBytes.ts';
import type { Random } from '../core/random.ts';
import { signedLinks } from '../core/storage/signedLinks.ts';
import type { StorageStyle } from '../core/storage/storage.ts';
import { takeTurn } from './admit.ts';
import { ASSUMPTIONS, FILE_KEPT_MS } from './assumptions.ts';
import { isObject, readBody } from './body.ts';
import { EXCEEDED, quotaAnswer, refusals, rpcAnswer, unavailableAnswer } from './errors.ts';
import { OMNI_MODELS } from './interactions/models.ts';
import { interactionRoutes } from './interactions/routes.ts';
import { GONE, MODELS } from './models.ts';
import { filteredOf, operationView } from './operation.ts';
import { submit } from './submit.ts';
import {
  billOf,
  type GoogleSettings,
  operationName,
  samplesOf,
  type VeoContext,
  type VeoDetails,
  type VeoJob,
} from './veoJob.ts';

type GeminiSettings = GoogleSettings & {
  /** The models of Veo are no longer served, as a reseller reported on 22 October 2026. */
  readonly retired: boolean;
  /** Downloads answer with a 302 to storage. The documentation's `curl -L` says that they may. */
  readonly redirectDownloads: boolean;
};

const DAILY = 'GenerateRequestsPerDayPerProjectPerModel';
const PER_MINUTE = 'GenerateRequestsPerMinutePerProjectPerModel';
const ID = 'abcdefghijklmnopqrstuvwxyz0123456789';
/** An id, and the number of one of the job's videos. */
const FILE = /^([a-z0-9]{12})(\d)$/;

interface ByModel {
  Params: { model: string };
}

function routes(app: FastifyInstance, context: VeoContext & { readonly settings: GeminiSettings }): void {
  function authenticate(request: FastifyRequest): Account {
    const account = context.accountOf(request);
    if (account && account.state !== 'revoked') return account;
    throw credentialOf(request.headers, request.query) === undefined
      ? refusals.missingKey()
      : refusals.wrongKey();
  }

  function admit(account: Account, modelName: string): void {
    if (account.state === 'quota_exhausted') throw refusals.quota('gemini', EXCEEDED, DAILY);
    if (account.state === 'overdue') throw refusals.precondition();
    if (account.state === 'forbidden') throw refusals.projectDenied();
    takeTurn(context, account, {
      service: 'gemini',
      name: modelName,
      perMinute: ASSUMPTIONS.geminiRequestsPerMinute,
      message: EXCEEDED,
      quotaId: PER_MINUTE,
    });
  }

  interactionRoutes(app, context, { authenticate, admit, newId, fileUri: (job) => fileUri(context, job, 0) });

  app.post<ByModel>(
    '/v1beta/models/:model(^[^:/]+)::predictLongRunning',
    { config: { operation: 'submit' } },
    async (request) => {
      const account = authenticate(request);
      const { model: modelName } = request.params;
      const model = MODELS[modelName];
      if (context.settings.retired || GONE.includes(modelName)) throw refusals.geminiModelGone(modelName);
      if (!model?.services.includes('gemini')) throw refusals.geminiModel(modelName);
      admit(account, modelName);
      const body = readBody(request.body);
      const job = submit(context, {
        service: 'gemini',
        account,
        modelName,
        model,
        body,
        source: sourceOf(context, account, body.instance.video),
        newId,
        parent: `models/${modelName}`,
      });
      context.notes.about(request, job);
      return { name: operationName(job) };
    },
  );

  app.get<{ Params: { model: string; '*': string } }>(
    '/v1beta/models/:model/operations/*',
    { config: { operation: 'poll' } },
    async (request) => {
      const account = authenticate(request);
      const { model, '*': id } = request.params;
      const job = context.jobs.find(id);
      const kept = job && context.shared.clock.now() < keptUntil(context, job, ASSUMPTIONS.operationKeptMs);
      if (!job || !kept || job.account !== account.name || job.model !== model) {
        throw refusals.operation(`models/${model}/operations/${id}`);
      }
      context.notes.about(request, job);
      return operationView(job, {
        failureCode: context.settings.failureCode,
        response: responseOf(context, job),
      });
    },
  );

  // "Poll for ACTIVE" (the guide of Omni). Here a file is ready when its interaction is over, as recorded answers of the service show.
  app.get<{ Params: { file: string } }>(
    '/:version(^v1|v1beta$)/files/:file(^[^:/]+)',
    { config: { operation: 'file' } },
    async (request) => {
      const { file } = request.params;
      if (!fileOf(context, authenticate(request), file)) throw refusals.file(file);
      return { name: `files/${file}`, mimeType: 'video/mp4', state: 'ACTIVE' };
    },
  );

  app.get<{ Params: { file: string }; Querystring: Record<string, string | undefined> }>(
    '/:version(^v1|v1beta$)/files/:file(^[^:/]+)::download',
    { config: { operation: 'download' } },
    async (request, reply) => {
      const account = authenticate(request);
      const { file } = request.params;
      const found = fileOf(context, account, file);
      if (!found) throw refusals.file(file);
      const { job, index } = found;
      context.notes.about(request, job);
      const bytes = () => context.resultOf(job, index);
      if (context.settings.redirectDownloads) {
        const expiresAt = keptUntil(context, job, FILE_KEPT_MS);
        const object = { job, path: `/download/${file}.mp4`, contentType: 'video/mp4', bytes };
        return reply.redirect(context.storage.link(object, expiresAt), 302);
      }
      const video = await bytes();
      if (!video) throw refusals.file(file);
      return sendBytes(request, reply, video, { contentType: 'video/mp4', ranges: true });
    },
  );
}

const newId = (random: Random): string => random.text(12, ID);

/** The id of an interaction has a prefix, which the names of files do not have. */
const fileId = ({ ownId }: VeoJob): string => ownId.replace(/^v1_/, '');

const fileUri = (context: VeoContext, job: VeoJob, index: number): string =>
  `${context.origin()}/v1beta/files/${fileId(job)}${index}:download?alt=media`;

function responseOf(context: VeoContext, job: VeoJob): Record<string, unknown> {
  const count = samplesOf(job);
  const samples = Array.from({ length: count }, (_, index) => ({
    video: { uri: fileUri(context, job, index) },
  }));
  return {
    '@type': 'type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse',
    generateVideoResponse: { ...filteredOf(job), ...(count > 0 ? { generatedSamples: samples } : {}) },
  };
}

const keptUntil = (context: VeoContext, job: VeoJob, keptMs: number): number =>
  job.endedAt === undefined ? Number.POSITIVE_INFINITY : job.endedAt + context.shared.clock.kept(keptMs);

function fileOf(
  context: VeoContext,
  account: Account,
  file: string,
): { job: VeoJob; index: number } | undefined {
  const [, id = '', index = ''] = FILE.exec(file) ?? [];
  const job = context.jobs.all().find((one) => fileId(one) === id);
  if (job?.state !== 'succeeded' || job.account !== account.name) return undefined;
  if (Number(index) >= samplesOf(job) || job.plan.lost) return undefined;
  if (context.shared.clock.now() >= keptUntil(context, job, FILE_KEPT_MS)) return undefined;
  return { job, index: Number(index) };
}

/** "The video must have been generated by Veo", and its file must still exist. */
function sourceOf(context: VeoContext, account: Account, video: unknown): number | undefined {
  if (video === undefined || video === null) return undefined;
  const uri = isObject(video) && typeof video.uri === 'string' ? video.uri : '';
  const [, file = ''] = /files\/([^/:?]+)/.exec(uri) ?? [];
  const found = fileOf(context, account, file);
  if (!found) throw refusals.invalid('`video` must be a video that was generated by Veo: set its `uri`.');
  if (found.job.delivered.height !== 720 && found.job.delivered.width !== 720) {
    throw refusals.invalid('The video to extend must be of 720p.');
  }
  return found.job.delivered.seconds;
}

/** The key is in a header or in the query. */
function credentialOf(headers: Record<string, unknown>, query: unknown): string | undefined {
  const header = headers['x-goog-api-key'];
  if (typeof header === 'string') return header;
  return isObject(query) && typeof query.key === 'string' ? query.key : undefined;
}

/** A signed link of Cloud Storage ("Signed URLs"), which needs no other credentials. */
const storage: StorageStyle = {
  ...signedLinks('X-Goog', {
    algorithm: 'GOOG4-RSA-SHA256',
    keyId: 'simulated@onetake-simulators.iam.gserviceaccount.com',
    scope: 'auto/storage/goog4_request',
  }),
  ranges: true,
  refusesAuthorization: true,
  refusals: {
    expired: { status: 400, body: '<Error><Code>ExpiredToken</Code></Error>' },
    signature: { status: 403, body: '<Error><Code>SignatureDoesNotMatch</Code></Error>' },
    missing: { status: 404, body: '<Error><Code>NoSuchKey</Code></Error>' },
    authorization: { status: 400, body: '<Error><Code>InvalidArgument</Code></Error>' },
  },
};

/** The Gemini API: Gemini Omni through the Interactions API, and Veo as it was until October 2026. */
export const gemini = defineUpstream<GeminiSettings, VeoDetails>({
  name: 'gemini',
  title: 'Gemini API (Omni, Veo)',
  settings: { failureCode: 13, lateChecks: false, retired: false, redirectDownloads: true },
  keyOf: (account) => `gemini-${account}-key`,
  credentialOf,
  routes,
  paceOf: (model) => (MODELS[model] ?? OMNI_MODELS[model])?.pace,
  bill: billOf,
  storage,
  environment: (origin, key) => ({ GOOGLE_GEMINI_BASE_URL: origin, GEMINI_API_KEY: key }),
  answers: {
    rateLimited: (retryAfter) => quotaAnswer('gemini', EXCEEDED, PER_MINUTE, retryAfter),
    unavailable: unavailableAnswer,
    notFound: () => rpcAnswer('NOT_FOUND', 'Requested entity was not found.'),
    unreadable: (error) => rpcAnswer('INVALID_ARGUMENT', `Invalid JSON payload received. ${error.message}`),
  },
});
