import { createHmac } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { isOver, type Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation, sizeOf } from '../hosted/request.ts';
import {
  ENDPOINTS,
  type Endpoint,
  IMAGES,
  KEPT_MS,
  LONGEST_PROMPT,
  MODELS,
  RATIOS,
  REFERENCE_SECONDS,
  SECONDS,
  SHORTER_SIDE,
  USD_PER_CREDIT,
} from './models.ts';

interface Details {
  readonly credits: number;
  /** The body of the submission, without its images. */
  readonly request: Body;
  readonly key: string;
}
/** How many tasks an account may have unfinished. A further one is refused with QuotaExceeded. */
type Settings = { readonly concurrency: number };
type Context = UpstreamContext<Settings, Details>;

/** "Cancel Generation" and "Error Code": the status, a reason and a message. */
const errorAnswer = (code: number, reason: string, message: string, headers = {}): Answer => ({
  status: code,
  headers,
  body: { code, reason, message, metadata: { trace_id: 'simulated' } },
});
const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));
const invalid = (field: string): Refusal => refusal(400, 'FieldInvalid', `invalid field: ${field}`);

/** Vidu's API (platform.vidu.com/docs: "Text to Video", "Image to Video", "Start End to Video", "Reference to Video", "Get Generation", "Cancel Generation", "Error Code", "Callback Signature"). */
export const vidu: Upstream = defineUpstream<Settings, Details>({
  name: 'vidu',
  title: 'Vidu',
  settings: { concurrency: ASSUMPTIONS.vidu.concurrency },
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  keyOf: (account) => `vda_simulated_${account}`,
  credentialOf: (headers) => credential(headers, 'Token'),
  routes,
  paceOf: (model) => (MODELS[model] ? ASSUMPTIONS.vidu.pace : undefined),
  bill: ({ details: { credits } }) => ({
    quantity: credits,
    unit: 'credits',
    usd: credits * USD_PER_CREDIT,
  }),
  changed: (context, job) => announce(context, job),
  environment: (origin, key) => ({ VIDU_BASE_URL: `${origin}/ent/v2`, VIDU_API_KEY: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        429,
        'TooManyRequests',
        'too many requests',
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) => errorAnswer(status, 'InternalServiceFailure', 'internal service failure'),
    notFound: () => errorAnswer(404, 'NotFound', 'not found'),
    unreadable: () => errorAnswer(400, 'BadRequest', 'bad request'),
  },
});

type WithId = { Params: { id: string } };

function routes(app: FastifyInstance, context: Context): void {
  for (const endpoint of ENDPOINTS) {
    app.post(`/ent/v2/${endpoint}`, operation('submit'), async (request) => {
      const account = authenticate(context, request);
      const job = submit(context, account, endpoint, bodyOf(request));
      context.notes.about(request, job);
      const { details, createdAt } = job;
      const created_at = new Date(context.timeShown(createdAt)).toISOString();
      return { task_id: job.id, state: 'created', ...details.request, credits: details.credits, created_at };
    });
  }

  app.get<WithId>('/ent/v2/tasks/:id/creations', operation('poll'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    context.notes.about(request, job);
    return view(context, job);
  });

  app.post<WithId>('/ent/v2/tasks/:id/cancel', operation('cancel'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    context.notes.about(request, job);
    // "task state is scheduled, can not cancel".
    if (job.state !== 'queued')
      throw refusal(400, 'BadRequest', `task state is ${STATES[job.state]}, can not cancel`);
    context.jobs.cancel(job);
    return {};
  });
}

function named(context: Context, account: Account, id: string): Job<Details> {
  const job = context.jobs.find(id);
  if (!job || job.account !== account.name) throw refusal(404, 'TaskNotFound', 'task not found');
  return job;
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (!account || account.state === 'revoked') throw refusal(401, 'Unauthorized', 'unauthorized');
  if (account.state === 'forbidden') throw refusal(403, 'Forbidden', 'forbidden');
  return account;
}

function submit(context: Context, account: Account, endpoint: Endpoint, body: Body): Job<Details> {
  if (account.state !== 'active') throw refusal(400, 'CreditInsufficient', 'insufficient credits');
  const wait = context.shared.limiter.take(`vidu ${account.name}`, ASSUMPTIONS.vidu.rate);
  if (wait > 0)
    throw refusal(429, 'TooManyRequests', 'too many requests', {
      'retry-after': String(retryAfterSeconds(wait)),
    });
  const isFull = context.jobs.unfinished(account.name) >= context.settings.concurrency;
  if (context.shared.limiter.enabled && isFull) throw refusal(429, 'QuotaExceeded', 'quota exceeded');
  const {
    model: name,
    prompt = '',
    duration = 5,
    seed = 0,
    aspect_ratio: ratio = '16:9',
    resolution = '720p',
    audio = true,
  } = body;
  const model = MODELS[String(name)];
  const rate = model?.creditsPerSecond[String(resolution)];
  if (!model?.endpoints.includes(endpoint)) throw refusal(400, 'ModelUnavailable', 'model unavailable');
  const { least, most } = endpoint === 'reference2video' ? REFERENCE_SECONDS : SECONDS;
  const isLength = Number.isInteger(duration) && Number(duration) >= least && Number(duration) <= most;
  if (!isLength || typeof duration !== 'number') throw invalid('duration');
  if (rate === undefined) throw invalid('resolution');
  if (typeof audio !== 'boolean') throw invalid('audio');
  if (typeof ratio !== 'string' || !RATIOS.includes(ratio)) throw invalid('aspect_ratio');
  if (typeof prompt !== 'string' || prompt.length > LONGEST_PROMPT) throw invalid('prompt');
  if (prompt === '' && (endpoint === 'text2video' || endpoint === 'reference2video'))
    throw refusal(400, 'FieldLacking', 'field is missing or empty: prompt');
  checkImages(endpoint, body);
  if (planOf(prompt).ending === 'refused') throw refusal(400, 'AuditSubmitIllegal', 'submit is illegal');
  const { images: _images, ...request } = body;
  return context.jobs.submit({
    account: account.name,
    model: String(name),
    prompt,
    video: { ...sizeOf(ratio, SHORTER_SIDE[String(resolution)] ?? 720), seconds: duration, audio },
    newId: (random) => random.text(18, '0123456789'),
    seed: typeof seed === 'number' && seed > 0 ? seed : undefined,
    details: { credits: rate * duration, request, key: account.key },
  });
}

/** "Accepts public URL or Base64 format", with a content type. */
function checkImages(endpoint: Endpoint, { images = [] }: Body): void {
  const [least, most] = IMAGES[endpoint];
  if (!Array.isArray(images) || images.length < least || images.length > most)
    throw refusal(400, 'FieldItemCountOutOfRange', 'field item count out of range: images');
  const isImage = (image: unknown) =>
    typeof image === 'string' && /^(?:https?:\/\/|data:image\/(?:png|jpe?g|webp);base64,)/.test(image);
  if (!images.every(isImage)) throw refusal(400, 'ImageFormatInvalid', 'invalid image format');
}

const STATES = {
  queued: 'queueing',
  running: 'processing',
  succeeded: 'success',
  failed: 'failed',
  cancelled: 'failed',
  expired: 'failed',
} as const;

/** "Get Generation". */
function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, state, details } = job;
  const video =
    state === 'succeeded' ? { id: `creation-${id}`, url: linkTo(context, job, KEPT_MS) } : undefined;
  return {
    id,
    state: STATES[state],
    err_code: STATES[state] === 'failed' ? errorCode(job) : '',
    credits: details.credits,
    payload: details.request.payload ?? '',
    creations: video ? [video] : [],
  };
}

/** "Error Code". */
function errorCode({ state, failure }: Job<Details>): string {
  if (state === 'cancelled') return 'UserCancelled';
  if (failure === 'moderation') return 'CreationPolicyViolation';
  return failure === 'invalid' ? 'ImageDownloadFailure' : 'InternalServiceFailure';
}

/** "Callback Signature": the address, the date and the headers that it names are signed with the key that made the task. */
function announce(context: Context, job: Job<Details>): void {
  const { request, key } = job.details;
  const { callback_url: url } = request;
  if (typeof url !== 'string' || (job.state !== 'running' && !isOver(job))) return;
  context.shared.webhooks.send({
    upstream: context.name,
    url,
    body: JSON.stringify(view(context, job)),
    headers: (at) => signatureOf(new URL(url), key, new Date(at).toUTCString(), job.ownId),
    ...ASSUMPTIONS.vidu.callback,
  });
}

function signatureOf({ pathname, search }: URL, key: string, date: string, nonce: string) {
  const headers = `Date:${date}\nx-request-nonce:${nonce}\n`;
  const signed = `POST\n${pathname}\n${search.slice(1)}\nvidu\n${date}\n${headers}`;
  return {
    date,
    'x-request-nonce': nonce,
    'x-hmac-signed-headers': 'Date;x-request-nonce',
    'x-hmac-signature': createHmac('sha256', key).update(signed).digest('base64'),
    'x-hmac-algorithm': 'hmac-sha256',
    'x-hmac-access-key': 'vidu',
  };
}
