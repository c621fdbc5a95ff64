import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { takeTurn } from './admit.ts';
import { VERTEX_REQUESTS_PER_MINUTE } from './assumptions.ts';
import { isObject, readBody } from './body.ts';
import { bucketRoutes, objectUri } from './bucket.ts';
import { quotaAnswer, refusals, rpcAnswer, unavailableAnswer } from './errors.ts';
import { EXTENSION, MODELS } from './models.ts';
import { filteredOf, operationView } from './operation.ts';
import { emailOf, PROJECT, readToken, removeKeyFile, tokenRoutes, writeKeyFile } from './serviceAccount.ts';
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

const LOCATION = 'us-central1';
const QUOTA = 'OnlinePredictionRequestsPerMinutePerBaseModelPerRegion';
const exceeded = (model: string): string =>
  `Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model with base model: ${model}. Please submit a quota increase request.`;

interface ByModel {
  Params: { project: string; location: string; model: string };
}

/** `v1` is documented. The SDKs use `v1beta1`. */
type VertexSettings = GoogleSettings & {
  /** The id of the project, which all accounts belong to. Google's own clients take `example.com:my-project` too (domain-scoped projects). */
  readonly project: string;
};

const MODEL_PATH =
  '/:version(^v1|v1beta1$)/projects/:project/locations/:location/publishers/google/models/:model(^[^:/]+)';

const modelName = ({ project, location, model }: ByModel['Params']): string =>
  `projects/${project}/locations/${location}/publishers/google/models/${model}`;

function routes(app: FastifyInstance, context: VeoContext & { readonly settings: VertexSettings }): void {
  tokenRoutes(app, context);
  bucketRoutes(app, context, authenticate);
  app.addHook('onClose', async () => removeKeyFile(context.origin()));

  function authenticate(request: FastifyRequest): Account {
    const token = bearerOf(request.headers);
    if (token === undefined) throw refusals.wrongToken('CREDENTIALS_MISSING');
    const claims = readToken(token);
    const account = context.accountOf(request);
    if (!claims || !account || account.state === 'revoked') {
      throw refusals.wrongToken('ACCESS_TOKEN_TYPE_UNSUPPORTED');
    }
    if (claims.expiresAtMs < context.shared.clock.now()) throw refusals.wrongToken('ACCESS_TOKEN_EXPIRED');
    return account;
  }

  function admitted(request: FastifyRequest<ByModel>): Account {
    const account = authenticate(request);
    const { project } = request.params;
    if (account.state === 'forbidden' || project !== context.settings.project) throw refusals.denied(project);
    return account;
  }

  app.post<ByModel>(
    `${MODEL_PATH}::predictLongRunning`,
    { config: { operation: 'submit' } },
    async (request) => {
      const account = admitted(request);
      const { project, location, model: name } = request.params;
      if (account.state === 'overdue') throw refusals.billing(project);
      const model = MODELS[name];
      if (!model?.services.includes('vertex')) throw refusals.vertexModel(modelName(request.params));
      if (account.state === 'quota_exhausted') throw refusals.quota('vertex', exceeded(name), QUOTA);
      takeTurn(context, account, {
        service: 'vertex',
        name: `${location} ${name}`,
        perMinute: VERTEX_REQUESTS_PER_MINUTE,
        message: exceeded(name),
        quotaId: QUOTA,
      });
      const body = readBody(request.body);
      const job = submit(context, {
        service: 'vertex',
        account,
        modelName: name,
        model,
        body,
        source: sourceOf(context, account, body.instance.video),
        newId: (random) => random.uuid(),
        parent: modelName(request.params),
      });
      context.notes.about(request, job);
      return { name: operationName(job) };
    },
  );

  app.post<ByModel>(
    `${MODEL_PATH}::fetchPredictOperation`,
    { config: { operation: 'poll' } },
    async (request) => {
      const account = admitted(request);
      const name = isObject(request.body) ? request.body.operationName : undefined;
      if (typeof name !== 'string' || name === '') throw refusals.invalid('`operationName` is required.');
      const [, ...id] = name.split('/operations/');
      const job = context.jobs.find(id.join('/operations/'));
      if (
        !job ||
        job.account !== account.name ||
        operationName(job) !== name ||
        job.details.parent !== modelName(request.params)
      ) {
        throw refusals.operation(name);
      }
      context.notes.about(request, job);
      const { failureCode } = context.settings;
      return operationView(job, { failureCode, response: await responseOf(context, job) });
    },
  );
}

/** With `storageUri` the videos are in the bucket. Without it they come inside the answer, as tens of megabytes of base64. */
async function responseOf(context: VeoContext, job: VeoJob): Promise<Record<string, unknown>> {
  if (job.state !== 'succeeded') return {};
  const videos: Record<string, unknown>[] = [];
  for (let index = 0; index < samplesOf(job); index++) {
    const place =
      job.details.storageUri === undefined
        ? { bytesBase64Encoded: (await context.resultOf(job, index))?.toString('base64') }
        : { gcsUri: objectUri(job, index) };
    videos.push({ ...place, mimeType: 'video/mp4' });
  }
  return {
    '@type': 'type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse',
    raiMediaFilteredCount: 0,
    ...filteredOf(job),
    ...(videos.length > 0 ? { videos } : {}),
  };
}

/** Seconds of the video to extend: an object of this simulator, or bytes that end with the label of their job. */
function sourceOf(context: VeoContext, account: Account, video: unknown): number | undefined {
  if (video === undefined || video === null) return undefined;
  const { gcsUri, bytesBase64Encoded: data, mimeType } = isObject(video) ? video : {};
  if (mimeType !== 'video/mp4') throw refusals.invalid('`video.mimeType` must be video/mp4.');
  const text = typeof gcsUri === 'string' ? gcsUri : tailOf(data);
  const id =
    /([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[ /](?:sample_)?\d(?:\.mp4)?$/.exec(text)?.[1] ?? '';
  const job = context.jobs.find(id);
  if (job?.state !== 'succeeded' || job.account !== account.name) {
    throw refusals.invalid('`video` must be a video that was generated by Veo.');
  }
  // "Input videos of 1 to 30 seconds" (Extend Veo on Vertex AI-generated videos).
  if (job.delivered.seconds > LONGEST_INPUT) {
    throw refusals.invalid(`The video to extend must be of 1 to ${LONGEST_INPUT} seconds.`);
  }
  return Math.min(job.delivered.seconds, EXTENSION.longestInput);
}

const LONGEST_INPUT = 30;

const tailOf = (data: unknown): string =>
  typeof data === 'string' ? Buffer.from(data, 'base64').subarray(-64).toString('latin1') : '';

function bearerOf(headers: Record<string, unknown>): string | undefined {
  const { authorization } = headers;
  return typeof authorization === 'string' ? /^Bearer (.+)$/.exec(authorization)?.[1] : undefined;
}

/** Veo on Vertex AI, with the token endpoint and the bucket that it needs. */
export const vertex = defineUpstream<VertexSettings, VeoDetails>({
  name: 'vertex',
  title: 'Vertex AI (Veo)',
  settings: { failureCode: 13, lateChecks: false, project: PROJECT },
  keyOf: emailOf,
  credentialOf: (headers) => readToken(bearerOf(headers) ?? '')?.email,
  routes,
  paceOf: (model) => MODELS[model]?.pace,
  bill: billOf,
  environment: (origin, key) => ({
    GOOGLE_GENAI_USE_VERTEXAI: 'true',
    GOOGLE_VERTEX_BASE_URL: origin,
    GOOGLE_CLOUD_PROJECT: PROJECT,
    GOOGLE_CLOUD_LOCATION: LOCATION,
    GOOGLE_APPLICATION_CREDENTIALS: writeKeyFile(origin, key),
    STORAGE_EMULATOR_HOST: origin,
  }),
  answers: {
    rateLimited: (retryAfter) => quotaAnswer('vertex', exceeded('veo'), QUOTA, retryAfter),
    unavailable: unavailableAnswer,
    notFound: () => rpcAnswer('NOT_FOUND', 'Requested entity was not found.'),
    unreadable: (error) => rpcAnswer('INVALID_ARGUMENT', `Invalid JSON payload received. ${error.message}`),
  },
});
