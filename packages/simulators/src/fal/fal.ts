import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { give } from '../core/faults/hooks.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { isOver, type Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation, sizeOf } from '../hosted/request.ts';
import { type FalModel, MODELS } from './models.ts';

interface Details {
  readonly app: string;
}
type Settings = {
  /** The origin of the links in answers: fal's own is `https://queue.fal.run`. Empty: the simulator's. */
  readonly publicUrl: string;
};
type Context = UpstreamContext<Settings, Details>;

/** The shorter side of each resolution in pixels. */
const SHORTER: Readonly<Record<string, number>> = { '480p': 480, '720p': 720, '1080p': 1080, '4k': 2160 };
/** fal, "Concurrency limits": "new accounts start at 2 concurrent requests". Further ones wait in the queue. */
const PLACES = 2;

/** fal, "Model errors": a list of typed errors. */
const modelError = (
  status: number,
  type: string,
  msg: string,
  loc: readonly string[] = ['body'],
): Answer => ({
  status,
  headers: { 'x-fal-retryable': 'false' },
  body: { detail: [{ loc, msg, type, url: `https://docs.fal.ai/errors#${type}` }] },
});
/** fal, "Request error types": a message, and a type if fal's own system failed. */
const requestError = (status: number, detail: string, type?: string): Answer => ({
  status,
  headers: type === undefined ? {} : { 'x-fal-error-type': type },
  body: { detail, ...(type === undefined ? {} : { error_type: type }) },
});

/**
 * fal's queue: `POST /{app}`, `GET /{app}/requests/{id}/status`, `GET /{app}/requests/{id}`, `PUT /{app}/requests/{id}/cancel`
 * (Queue API reference).
 */
export const fal: Upstream = defineUpstream<Settings, Details>({
  name: 'fal',
  title: 'fal',
  settings: { publicUrl: '' },
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  keyOf: (account) => `simulated-${account}:key`,
  credentialOf: (headers) => credential(headers, 'Key'),
  routes,
  paceOf: () => ASSUMPTIONS.fal.pace,
  bill: ({ model, video }) => ({
    quantity: video.seconds,
    unit: 'seconds',
    usd: (MODELS[model]?.usd[video.audio ? 'audio' : 'silent'] ?? 0) * video.seconds,
  }),
  environment: (origin, key) => ({ FAL_QUEUE_URL: origin, FAL_KEY: key }),
  answers: {
    rateLimited: (seconds) => ({
      ...requestError(429, 'Too many requests'),
      headers: seconds === undefined ? {} : { 'retry-after': String(seconds) },
    }),
    unavailable: (status) => requestError(status, 'Service unavailable'),
    notFound: () => requestError(404, 'Not Found'),
    unreadable: () => requestError(400, 'The body is not JSON'),
  },
});

interface Wildcard {
  Params: { owner: string; '*': string };
}

function routes(app: FastifyInstance, context: Context): void {
  app.post<Wildcard>('/:owner/*', operation('submit'), async (request) => {
    const account = authenticate(context, request);
    const job = submit(context, account, `${request.params.owner}/${request.params['*']}`, request);
    context.notes.about(request, job);
    return { ...queued(context, job), ...addressesOf(context, job) };
  });

  app.get<Wildcard & { Querystring: { logs?: string } }>(
    '/:owner/*',
    operation('poll'),
    async (request, reply) => {
      const { job, rest } = named(context, request);
      if (!job) throw new Refusal(requestError(404, 'Request not found'));
      context.notes.about(request, job);
      if (rest === undefined) return sendResult(context, job, reply);
      // Queue API reference: 202 until the request is complete.
      reply.code(isOver(job) ? 200 : 202);
      // "logs=1". fal-client sends `true`.
      const logs = /^(?:1|true)$/.test(request.query.logs ?? '') ? logsOf(context, job) : null;
      return { ...statusOf(context, job, logs), response_url: addressesOf(context, job).response_url };
    },
  );

  // fal, Queue API reference, "Cancel a request": the message of each status.
  app.put<Wildcard>('/:owner/*', operation('cancel'), async (request, reply) => {
    const { job, rest } = named(context, request);
    if (!job || rest !== 'cancel') return give(reply, { status: 404, body: { status: 'NOT_FOUND' } });
    context.notes.about(request, job);
    return context.jobs.cancel(job)
      ? give(reply, { status: 202, body: { status: 'CANCELLATION_REQUESTED' } })
      : give(reply, { status: 400, body: { status: 'ALREADY_COMPLETED' } });
  });
}

/** The account's request that a path below its app names, and the action in the path. No action means the result. */
function named(
  context: Context,
  request: FastifyRequest<Wildcard>,
): { job: Job<Details> | undefined; rest: string | undefined } {
  const account = authenticate(context, request);
  // The path as it was sent, because an id may contain an escaped slash.
  const [, app, id = '', rest] =
    /^\/([^/]+\/[^/]+)\/requests\/([^/?]+)(?:\/(status|cancel))?(?:\?|$)/.exec(request.url) ?? [];
  const job = context.jobs.find(decodeURIComponent(id));
  const own = job?.account === account.name && job.details.app === app;
  return { job: own ? job : undefined, rest };
}

function addressesOf(context: Context, { id, details }: Job<Details>) {
  const origin = context.settings.publicUrl || context.origin();
  const address = `${origin}/${details.app}/requests/${encodeURIComponent(id)}`;
  return { response_url: address, status_url: `${address}/status`, cancel_url: `${address}/cancel` };
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (account && account.state !== 'revoked') return account;
  throw new Refusal(requestError(401, 'Cannot access application. Authentication is required.'));
}

function submit(context: Context, account: Account, model: string, request: FastifyRequest): Job<Details> {
  if (account.state !== 'active') {
    throw new Refusal(requestError(403, 'User is locked. Reason: Exhausted balance. Top up your balance.'));
  }
  const schema = MODELS[model];
  if (schema === undefined) throw new Refusal(requestError(404, `Application '${model}' not found`));
  // The queue accepts everything. The model checks it when its turn comes.
  const body = bodyOf(request);
  const words = String(body.prompt);
  return context.jobs.submit({
    account: account.name,
    model,
    // Only markers determine how a job ends.
    prompt: isWrong(schema, body) || planOf(words).ending === 'refused' ? `${words} [invalid]` : words,
    video: videoOf(schema, body),
    pool: { name: account.name, places: PLACES },
    newId: (random) => random.uuid(),
    // "The app id is the first two parts; the rest is a path of the app."
    details: { app: model.split('/').slice(0, 2).join('/') },
  });
}

/** Whether the app's schema refuses an input. It has no other fields, and its values count as they are spelt. */
function isWrong({ durations, resolutions, ratios, image, others }: FalModel, body: Body): boolean {
  const values: Readonly<Record<string, readonly unknown[] | undefined>> = {
    duration: durations,
    resolution: resolutions,
    aspect_ratio: ratios,
  };
  const isOk = ([name, value]: [string, unknown]): boolean => {
    if (name === 'prompt' || name === image) return typeof value === 'string';
    return values[name]?.includes(value) ?? others.includes(name);
  };
  const required = image === undefined ? ['prompt'] : ['prompt', image];
  return required.some((name) => body[name] === undefined) || !Object.entries(body).every(isOk);
}

function videoOf({ durations, resolutions = [], shorter, others }: FalModel, body: Body) {
  const resolution = String(body.resolution ?? resolutions[0]);
  const ratio = /^\d+:\d+$/.test(String(body.aspect_ratio)) ? String(body.aspect_ratio) : '16:9';
  return {
    ...sizeOf(ratio, shorter ?? SHORTER[resolution] ?? 720),
    // `auto`: the model decides.
    seconds: Number.parseInt(String(body.duration ?? durations[0]), 10) || 5,
    // Wan always has sound.
    audio: others.includes('generate_audio') ? body.generate_audio !== false : others.includes('audio_url'),
  };
}

/** What a runner wrote (@fal-ai/client, `RequestLog`). */
type Log = Readonly<Record<'message' | 'level' | 'source' | 'timestamp', string>>;

/** A request that waits has no member for logs (fal-client, `_parse_status`). In the other states it is null unless logs are requested. */
function statusOf(context: Context, job: Job<Details>, logs: readonly Log[] | null): Record<string, unknown> {
  if (job.state === 'queued') return queued(context, job);
  if (job.state === 'running') return { status: 'IN_PROGRESS', request_id: job.id, logs };
  // Queue API reference: seconds of work.
  const inference = ((job.endedAt ?? 0) - (job.startedAt ?? job.endedAt ?? 0)) / 1000;
  return { status: 'COMPLETED', request_id: job.id, logs, metrics: { inference_time: inference } };
}

function logsOf(context: Context, { startedAt, endedAt, details }: Job<Details>): readonly Log[] {
  const line = (at: number | undefined, message: string): readonly Log[] =>
    at === undefined
      ? []
      : [
          {
            message,
            level: 'INFO',
            source: 'USER',
            timestamp: new Date(context.timeShown(at)).toISOString(),
          },
        ];
  return [...line(startedAt, `Running ${details.app}`), ...line(endedAt, 'Done')];
}

/** "queue_position": how many requests are before it. */
function queued(context: Context, { id, account }: Job<Details>): Record<string, unknown> {
  const waiting = context.jobs.all().filter((job) => job.account === account && job.state === 'queued');
  const position = waiting.findIndex((job) => job.id === id);
  return { status: 'IN_QUEUE', request_id: id, queue_position: Math.max(0, position) };
}

/** The result has the status that the model answered with. */
function sendResult(context: Context, job: Job<Details>, reply: FastifyReply): FastifyReply | object {
  switch (job.state) {
    case 'queued':
    case 'running':
      return give(reply, requestError(400, 'Request is still in progress'));
    case 'succeeded': {
      const url = linkTo(context, job, ASSUMPTIONS.fal.keptMs);
      return { video: { url, content_type: 'video/mp4', file_name: 'output.mp4' } };
    }
    case 'cancelled':
      return give(reply, CANCELLED);
    default:
      return give(reply, FAILURES[job.failure ?? 'internal']);
  }
}

const { status: cancelled, detail, type } = ASSUMPTIONS.fal.cancelled;
const CANCELLED = requestError(cancelled, detail, type);

const FAILURES = {
  moderation: modelError(
    422,
    'content_policy_violation',
    'The content could not be processed: it was flagged by a content checker.',
    ['body', 'prompt'],
  ),
  internal: requestError(503, 'The runner disconnected', 'runner_disconnected'),
  invalid: modelError(422, 'value_error', 'The input is invalid.'),
} as const;
