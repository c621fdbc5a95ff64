import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { isOver, type Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation } from '../hosted/request.ts';
import { errorAnswer, FILTERED, refusals } from './errors.ts';
import { CAMERA_MOTIONS, KEPT_MS, LONG_SECONDS, LONGEST_PROMPT, MODELS, SECONDS, SIZES } from './models.ts';

type Endpoint = 'text-to-video' | 'image-to-video';

interface Details {
  readonly endpoint: Endpoint;
  readonly usd: number;
}
/** "Default limit: 2 simultaneous generations." A further one is refused. */
type Settings = { readonly concurrency: number };
type Context = UpstreamContext<Settings, Details>;

/** The asynchronous LTX API: `POST /v2/text-to-video`, `/v2/image-to-video` and `GET /v2/{endpoint}/{id}` ("Async jobs", "Async video generation"). */
export const ltx: Upstream = defineUpstream<Settings, Details>({
  name: 'ltx',
  title: 'LTX',
  settings: { concurrency: 2 },
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  keyOf: (account) => `ltxv_simulated_${account}`,
  credentialOf: (headers) => credential(headers, 'Bearer'),
  routes,
  paceOf(model) {
    const { pace, proPace } = ASSUMPTIONS.ltx;
    return MODELS[model] && (model.endsWith('-pro') ? proPace : pace);
  },
  bill: ({ video, details }) => ({ quantity: video.seconds, unit: 'seconds', usd: details.usd }),
  environment: (origin, key) => ({ LTXV_BASE_URL: origin, LTXV_API_KEY: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        429,
        'rate_limit_error',
        'Rate limit exceeded.',
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) =>
      status === 503
        ? errorAnswer(status, 'service_unavailable', 'Service temporarily unavailable.')
        : errorAnswer(status, 'api_error', 'An unexpected error occurred.'),
    notFound: () => errorAnswer(404, 'not_found_error', 'Resource not found.'),
    unreadable: () => errorAnswer(400, 'invalid_request_error', 'The body is not JSON.'),
  },
});

function routes(app: FastifyInstance, context: Context): void {
  for (const endpoint of ['text-to-video', 'image-to-video'] as const) {
    // "Responds immediately with the job id and created_at timestamp."
    app.post(`/v2/${endpoint}`, operation('submit'), async (request, reply) => {
      const account = authenticate(context, request);
      admit(context, account);
      const job = submit(context, account, endpoint, bodyOf(request));
      context.notes.about(request, job);
      return reply.code(202).send({ id: job.id, created_at: timeOf(context, job.createdAt) });
    });

    app.get<{ Params: { id: string } }>(`/v2/${endpoint}/:id`, operation('poll'), async (request) => {
      const account = authenticate(context, request);
      const job = context.jobs.find(request.params.id);
      const isKnown = job?.account === account.name && job.details.endpoint === endpoint;
      if (!job || !isKnown || isForgotten(context, job)) throw refusals.notFound();
      context.notes.about(request, job);
      return view(context, job);
    });
  }
}

const timeOf = (context: Context, ms: number): string => new Date(context.timeShown(ms)).toISOString();

function isForgotten({ shared: { clock } }: Context, { endedAt }: Job<Details>): boolean {
  return endedAt !== undefined && clock.now() > endedAt + clock.kept(KEPT_MS);
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (!account || account.state === 'revoked') throw refusals.notAuthenticated();
  return account;
}

function admit(context: Context, account: Account): void {
  if (account.state !== 'active') throw refusals.noCredits();
  const { limiter } = context.shared;
  const wait = limiter.take(`ltx ${account.name}`, ASSUMPTIONS.ltx.rate);
  if (wait > 0) throw refusals.tooFast(retryAfterSeconds(wait));
  const isFull = context.jobs.unfinished(account.name) >= context.settings.concurrency;
  if (limiter.enabled && isFull) throw refusals.tooMany(ASSUMPTIONS.ltx.retrySeconds);
}

function submit(context: Context, account: Account, endpoint: Endpoint, body: Body): Job<Details> {
  const { prompt, model: name, camera_motion: motion, generate_audio: audio = true } = body;
  if (typeof prompt !== 'string' || prompt === '' || prompt.length > LONGEST_PROMPT)
    throw refusals.invalid(`prompt must have 1 to ${LONGEST_PROMPT} characters`);
  if (motion !== undefined && !CAMERA_MOTIONS.includes(String(motion)))
    throw refusals.invalid(`camera_motion must be one of ${CAMERA_MOTIONS.join(', ')}`);
  if (typeof audio !== 'boolean') throw refusals.invalid('generate_audio must be a boolean');
  const { usd, ...shape } = readShape(body);
  if (endpoint === 'image-to-video') checkImages(body);
  if (planOf(prompt).ending === 'refused') throw refusals.filtered();
  return context.jobs.submit({
    account: account.name,
    model: String(name),
    prompt,
    video: { ...shape, audio },
    newId: (random) => random.uuid(),
    details: { endpoint, usd: usd * shape.seconds },
  });
}

/** "An unsupported combination of resolution, fps and duration" is refused. */
function readShape({ model: name, resolution, duration, fps = 24 }: Body) {
  const model = MODELS[String(name)];
  if (!model) throw refusals.invalid(`model must be one of ${Object.keys(MODELS).join(', ')}`);
  const [width = 0, height = 0] = String(resolution).split('x').map(Number);
  const shorter = Math.min(width, height);
  const usd = model.usd[shorter];
  if (usd === undefined || SIZES[shorter] !== Math.max(width, height))
    throw refusals.invalid(`resolution ${String(resolution)} is not supported by ${String(name)}`);
  if (typeof fps !== 'number' || !model.fps.includes(fps))
    throw refusals.invalid(`fps must be one of ${model.fps.join(', ')}`);
  const isLong = model.longAt.includes(shorter) && fps <= 25;
  const allowed = isLong ? [...SECONDS, ...LONG_SECONDS] : SECONDS;
  if (typeof duration !== 'number' || !allowed.includes(duration))
    throw refusals.invalid(`duration must be one of ${allowed.join(', ')}`);
  return { width, height, seconds: duration, usd };
}

/** "HTTPS URL, base64 data URI of up to 7 MB, or the ltx:// address of an upload" ("Input formats"). */
function checkImages({ image_uri: image, last_frame_uri: last }: Body): void {
  const isImage = (value: unknown): boolean =>
    typeof value === 'string' &&
    /^(?:https:\/\/|ltx:\/\/|data:image\/(?:png|jpe?g|webp);base64,)/.test(value);
  if (!isImage(image)) throw refusals.invalid('image_uri must be an HTTPS URL, a data URI or an upload');
  if (last !== undefined && !isImage(last))
    throw refusals.invalid('last_frame_uri must be an HTTPS URL, a data URI or an upload');
}

/** A job as `GET /v2/{endpoint}/{id}` shows it. */
function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, state, failure, createdAt, endedAt = 0 } = job;
  const shown = { id, created_at: timeOf(context, createdAt) };
  if (!isOver(job)) return { ...shown, status: state === 'queued' ? 'pending' : 'processing' };
  const over = { ...shown, completed_at: timeOf(context, endedAt) };
  if (state === 'succeeded')
    return { ...over, status: 'completed', result: { video_url: linkTo(context, job, KEPT_MS) } };
  // "The same error types as HTTP error responses."
  const error =
    failure === 'moderation'
      ? { type: 'content_filtered_error', message: FILTERED }
      : failure === 'invalid'
        ? { type: 'invalid_request_error', message: 'The request is invalid.' }
        : { type: 'api_error', message: 'An unexpected error occurred.' };
  return { ...over, status: 'failed', error };
}
