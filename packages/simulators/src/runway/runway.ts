import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { type Job, pace, progressOf } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation } from '../hosted/request.ts';
import { KEPT_MS, MODELS, USD_PER_CREDIT, VERSION } from './models.ts';

type Endpoint = 'text_to_video' | 'image_to_video';

interface Details {
  readonly credits: number;
}
/** How many tasks of a model run at a time, by the account's tier. Further ones are throttled: they wait. */
type Settings = { readonly concurrency: number };
type Context = UpstreamContext<Settings, Details>;

/** "Expect a JSON response with an error member" (HTTP errors). */
const errorAnswer = (status: number, error: string, headers = {}): Answer => ({
  status,
  headers,
  body: { error },
});
const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));
const notFound = () => refusal(404, 'Task not found');

/** Runway's API: `POST /v1/text_to_video`, `/v1/image_to_video`, `GET` and `DELETE /v1/tasks/{id}` (API reference, version 2024-11-06). */
export const runway: Upstream = defineUpstream<Settings, Details>({
  name: 'runway',
  title: 'Runway',
  settings: { concurrency: 20 },
  storage: presigned,
  // A prompt is only judged once the task runs.
  endings: { refused: 'moderation', filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  // "Keys start with key_ and are followed by 128 hexadecimal characters."
  keyOf: (account) => `key_${createHash('sha512').update(account).digest('hex')}`,
  credentialOf: (headers) => credential(headers, 'Bearer'),
  routes,
  paceOf(model) {
    const known = MODELS[model]?.pace;
    return known && pace(known.medianSeconds, known.p90Seconds);
  },
  bill: ({ details }) => ({
    quantity: details.credits,
    unit: 'credits',
    usd: details.credits * USD_PER_CREDIT,
  }),
  environment: (origin, key) => ({ RUNWAYML_BASE_URL: origin, RUNWAYML_API_SECRET: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(429, 'Too many requests', seconds === undefined ? {} : { 'retry-after': String(seconds) }),
    unavailable: (status) => errorAnswer(status, 'Service unavailable'),
    notFound: () => errorAnswer(404, 'Not found'),
    unreadable: () => errorAnswer(400, 'The body is not JSON'),
  },
});

function routes(app: FastifyInstance, context: Context): void {
  for (const endpoint of ['text_to_video', 'image_to_video'] as const) {
    app.post(`/v1/${endpoint}`, operation('submit'), async (request) => {
      const account = authenticate(context, request);
      const job = submit(context, account, endpoint, bodyOf(request));
      context.notes.about(request, job);
      return { id: job.id, estimatedCost: { credits: job.details.credits } };
    });
  }

  app.get<{ Params: { id: string } }>('/v1/tasks/:id', operation('poll'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    context.notes.about(request, job);
    return view(context, job);
  });

  // "Tasks that are running, pending, or throttled can be canceled. Invoking this method for other tasks will delete them. They will not be able to be fetched again."
  app.delete<{ Params: { id: string } }>('/v1/tasks/:id', operation('cancel'), async (request, reply) => {
    const job = named(context, authenticate(context, request), request.params.id);
    context.notes.about(request, job);
    context.jobs.remove(job);
    return reply.code(204).send();
  });
}

function named(context: Context, account: Account, id: string): Job<Details> {
  const job = context.jobs.find(id);
  if (!job || job.account !== account.name) throw notFound();
  return job;
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const version = request.headers['x-runway-version'];
  if (version !== VERSION)
    throw refusal(400, `This API version is not valid: set X-Runway-Version to ${VERSION}.`);
  const account = context.accountOf(request);
  if (!account || account.state === 'revoked') throw refusal(401, 'The API key is not valid.');
  return account;
}

function submit(context: Context, account: Account, endpoint: Endpoint, body: Body): Job<Details> {
  if (account.state !== 'active') throw refusal(400, ASSUMPTIONS.runway.noCredits);
  const wait = context.shared.limiter.take(`runway ${account.name}`, ASSUMPTIONS.runway.rate);
  if (wait > 0) throw refusal(429, 'Too many requests', { 'retry-after': String(retryAfterSeconds(wait)) });
  const { model: name, promptText = '', promptImage, duration = 10, ratio, seed } = body;
  const model = MODELS[String(name)];
  const ratios = model?.ratios[endpoint];
  const invalid = (message: string) => refusal(400, `Validation of body failed: ${message}`);
  if (!model || !ratios) throw invalid(`model is not one of this endpoint`);
  const isText = typeof promptText === 'string' && promptText.length <= model.longestPrompt;
  const isNeeded = endpoint === 'text_to_video' || !model.textOptional;
  if (!isText || (isNeeded && promptText === ''))
    throw invalid(`promptText must have 1 to ${model.longestPrompt} characters`);
  const { least, most } = model.seconds;
  const isLength =
    typeof duration === 'number' && Number.isInteger(duration) && duration >= least && duration <= most;
  if (!isLength) throw invalid(`duration must be an integer from ${least} to ${most}`);
  if (typeof ratio !== 'string' || !ratios.includes(ratio))
    throw invalid(`ratio must be one of ${ratios.join(', ')}`);
  const isSeed =
    seed === undefined || (typeof seed === 'number' && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32);
  if (!isSeed) throw invalid('seed must be an integer from 0 to 4294967295');
  if (endpoint === 'image_to_video') checkImage(promptImage, invalid);
  const [width = 0, height = 0] = ratio.split(':').map(Number);
  return context.jobs.submit({
    account: account.name,
    model: String(name),
    prompt: promptText,
    video: { width, height, seconds: duration, audio: false },
    newId: (random) => random.uuid(),
    details: { credits: model.creditsPerSecond * duration },
    seed,
    pool: { name: `${account.name} ${String(name)}`, places: context.settings.concurrency },
  });
}

/** "A HTTPS URL, Runway upload URI, or base64 data URI", or a list of one such with the position `first`. */
function checkImage(image: unknown, invalid: (message: string) => Refusal): void {
  const [first] = Array.isArray(image) ? image : [image];
  const uri = typeof first === 'object' && first !== null ? Reflect.get(first, 'uri') : first;
  if (
    typeof uri !== 'string' ||
    !/^(?:https:\/\/|runway:\/\/|data:image\/(?:png|jpe?g|webp);base64,)/.test(uri)
  )
    throw invalid('promptImage must be an HTTPS URL, a Runway upload URI or a data URI');
}

/** A task as `GET /v1/tasks/{id}` shows it. */
function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, state, details, failure, plan } = job;
  const task = { id, createdAt: new Date(context.timeShown(job.createdAt)).toISOString() };
  const estimated = { ...task, estimatedCost: { credits: details.credits } };
  switch (state) {
    case 'queued':
      // A job that waits for a place, and not for its turn alone.
      return { ...estimated, status: plan.pace === 'waits' ? 'PENDING' : 'THROTTLED' };
    case 'running':
      // "A floating point number between 0 and 1."
      return { ...estimated, status: 'RUNNING', progress: progressOf(job, context.shared.clock.now()) / 100 };
    case 'succeeded':
      return {
        ...task,
        status: 'SUCCEEDED',
        cost: { credits: details.credits },
        output: [linkTo(context, job, KEPT_MS)],
      };
    case 'cancelled':
      return { ...task, status: 'CANCELLED', cost: { credits: 0 } };
    default:
      return {
        ...task,
        status: 'FAILED',
        cost: { credits: 0 },
        failure: 'The task has failed.',
        failureCode: failureCode(failure, planOf(job.prompt).ending === 'refused'),
      };
  }
}

/** "Handle task failures": SAFETY.INPUT.*, SAFETY.OUTPUT.*, INTERNAL.BAD_OUTPUT.*, INPUT_PREPROCESSING.*, INTERNAL. */
function failureCode(failure: Job['failure'], isInput: boolean): string {
  if (failure === 'moderation') return isInput ? 'SAFETY.INPUT.TEXT' : 'SAFETY.OUTPUT.VIDEO';
  return failure === 'invalid' ? 'INPUT_PREPROCESSING.SAFETY.TEXT' : 'INTERNAL.BAD_OUTPUT.CODE01';
}
