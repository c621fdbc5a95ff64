import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import type { Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation, sizeOf } from '../hosted/request.ts';

interface Details {
  readonly input: Body;
  readonly version: string;
}
type Settings = { readonly listOutput: boolean };
type Context = UpstreamContext<Settings, Details>;

/** USD a second of some official models. One price for all sizes is enough, because prices are not tested here. */
const MODELS: Readonly<Record<string, number>> = {
  'bytedance/seedance-1-pro': 0.06,
  'bytedance/seedance-2.0': 0.15,
  'google/veo-3.1': 0.4,
  'google/veo-3.1-fast': 0.15,
};
/** Replicate, "Rate limits": "create predictions at 600 requests per minute", other endpoints at 3000. */
const CREATES_PER_MINUTE = 600;
const OTHERS_PER_MINUTE = 3000;
/** Replicate, HTTP API reference, "List predictions": 100 on a page. */
const PAGE_SIZE = 100;
/** Replicate, "Data retention": a prediction made by the API is removed completely after an hour. Milliseconds. */
const KEPT_MS = 3_600_000;
/** Twenty-six lower case letters and digits, as in the examples of the HTTP API reference. */
const ID_LETTERS = 'abcdefghijkmnpqrstvwxyz0123456789';

/** `{detail, status, title}`: Replicate's errors (HTTP API reference; "Rate limits" for the 429). */
const errorAnswer = (status: number, title: string, detail: string, headers = {}): Answer => ({
  status,
  headers,
  body: { title, detail, status },
});
const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));
const throttled = (seconds: number | undefined): Answer => ({
  status: 429,
  headers: seconds === undefined ? {} : { 'retry-after': String(seconds) },
  body: { detail: `Request was throttled. Your rate limit resets in ~${seconds ?? 30}s.` },
});

/** Replicate's predictions: official models by name, others by version (HTTP API reference). */
export const replicate: Upstream = defineUpstream<Settings, Details>({
  name: 'replicate',
  title: 'Replicate',
  // "The type of the output depends on the model": some answer with a list.
  settings: { listOutput: false },
  // Its clients fetch results with their token (replicate-python, `FileOutput`), so their host accepts one.
  storage: { ...presigned, refusesAuthorization: false },
  endings: { filtered: 'moderation', partial: 'moderation' },
  keyOf: (account) => `r8_simulated_${account}`,
  credentialOf: (headers) => credential(headers, 'Bearer') ?? credential(headers, 'Token'),
  routes,
  paceOf: () => ASSUMPTIONS.replicate.pace,
  bill: ({ model, video }) => ({
    quantity: video.seconds,
    unit: 'seconds',
    usd: (MODELS[model] ?? 0) * video.seconds,
  }),
  environment: (origin, key) => ({ REPLICATE_BASE_URL: `${origin}/v1`, REPLICATE_API_TOKEN: key }),
  answers: {
    rateLimited: throttled,
    unavailable: (status) => errorAnswer(status, 'Internal server error', 'Something went wrong.'),
    notFound: () => errorAnswer(404, 'Not found', 'The requested resource could not be found.'),
    unreadable: () => errorAnswer(400, 'Bad request', 'The body is not JSON.'),
  },
});

interface ById {
  Params: { id: string };
}

function routes(app: FastifyInstance, context: Context): void {
  app.post<{ Params: { owner: string; name: string } }>(
    '/v1/models/:owner/:name/predictions',
    operation('submit'),
    async (request, reply) => {
      const { owner, name } = request.params;
      const job = create(context, request, `${owner}/${name}`, 'hidden');
      return reply.code(201).send(view(context, job));
    },
  );
  app.post('/v1/predictions', operation('submit'), async (request, reply) => {
    const { version } = bodyOf(request);
    if (typeof version !== 'string') throw refusal(422, 'Invalid version', 'version is required');
    return reply.code(201).send(view(context, create(context, request, 'community/model', version)));
  });

  app.get<{ Querystring: { cursor?: string } }>('/v1/predictions', operation('list'), async (request) => {
    const account = authenticate(context, request);
    admitOther(context, account);
    return list(context, account, request.query.cursor);
  });
  app.get<ById>('/v1/predictions/:id', operation('poll'), async (request) => {
    const account = authenticate(context, request);
    const job = found(context, account, request.params.id);
    admitOther(context, account);
    context.notes.about(request, job);
    return view(context, job);
  });
  app.post<ById>('/v1/predictions/:id/cancel', operation('cancel'), async (request) => {
    const job = found(context, authenticate(context, request), request.params.id);
    context.notes.about(request, job);
    context.jobs.cancel(job);
    return view(context, job);
  });
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (account && account.state !== 'revoked') return account;
  throw refusal(401, 'Unauthenticated', 'You did not pass a valid authentication token');
}

function admitOther(context: Context, account: Account): void {
  const limit = { requests: OTHERS_PER_MINUTE, perMs: 60_000 };
  const wait = context.shared.limiter.take(`replicate other ${account.name}`, limit);
  if (wait > 0) throw new Refusal(throttled(retryAfterSeconds(wait)));
}

/** A page of the account's predictions, latest first, with the URLs of the pages before and after it. Only the simulator can read the cursor. */
function list(context: Context, account: Account, cursor: string | undefined): Record<string, unknown> {
  const mine = context.jobs.all().filter((job) => job.account === account.name);
  const after = Buffer.from(cursor ?? '', 'base64url').toString();
  const at = cursor === undefined ? mine.length : mine.findIndex(({ id }) => id === after) + 1;
  if (at < 1 && cursor !== undefined) {
    const { status, title, detail } = ASSUMPTIONS.replicate.badCursor;
    throw refusal(status, title, detail);
  }
  // A page ends with the prediction that its cursor names, so new ones do not shift it.
  const page = mine.slice(Math.max(0, at - PAGE_SIZE), at);
  const address = (last: Job<Details> | undefined): string | null =>
    last ? `${context.origin()}/v1/predictions?cursor=${Buffer.from(last.id).toString('base64url')}` : null;
  return {
    previous: at < mine.length ? address(mine[Math.min(mine.length, at + PAGE_SIZE) - 1]) : null,
    next: address(mine[at - PAGE_SIZE - 1]),
    results: page.toReversed().map((job) => view(context, job)),
  };
}

function found(context: Context, account: Account, id: string): Job<Details> {
  const job = context.jobs.find(id);
  if (job?.account === account.name) return job;
  throw refusal(404, 'Not found', 'The requested resource could not be found.');
}

function create(context: Context, request: FastifyRequest, model: string, version: string): Job<Details> {
  const account = authenticate(context, request);
  if (account.state === 'forbidden') throw refusal(403, 'Forbidden', 'You may not run this model.');
  if (account.state !== 'active') {
    throw refusal(402, 'Insufficient credit', 'You have insufficient credit to run this model.');
  }
  const wait = context.shared.limiter.take(`replicate ${account.name}`, {
    requests: CREATES_PER_MINUTE,
    perMs: 60_000,
  });
  if (wait > 0) throw new Refusal(throttled(retryAfterSeconds(wait)));
  if (version === 'hidden' && MODELS[model] === undefined) {
    throw refusal(404, 'Not found', `The model ${model} could not be found.`);
  }
  const job = submit(context, account, { model, version, input: inputOf(request) });
  context.notes.about(request, job);
  return job;
}

function inputOf(request: FastifyRequest): Body {
  const { input } = bodyOf(request);
  if (typeof input !== 'object' || input === null) {
    throw refusal(422, 'Input validation failed', '- input: is required');
  }
  return input as Body;
}

function submit(
  context: Context,
  account: Account,
  { model, version, input }: { model: string; version: string; input: Body },
): Job<Details> {
  const { prompt, duration = 5, resolution = '720p', aspect_ratio: ratio = '16:9', image } = input;
  if (typeof prompt !== 'string')
    throw refusal(422, 'Input validation failed', '- input.prompt: is required');
  if (typeof duration !== 'number') {
    throw refusal(422, 'Input validation failed', '- input.duration: must be an integer');
  }
  if (image !== undefined && !/^(?:https?:|data:image\/)/.test(String(image))) {
    throw refusal(422, 'Input validation failed', "- input.image: does not match format 'uri'");
  }
  const plan = planOf(prompt);
  if (plan.ending === 'refused') throw refusal(422, 'Input rejected', 'The prompt was flagged as sensitive.');
  return context.jobs.submit({
    account: account.name,
    model,
    prompt,
    video: {
      ...sizeOf(String(ratio), Number.parseInt(String(resolution), 10) || 720),
      seconds: duration,
      audio: input.generate_audio === true,
    },
    newId: (random) => random.text(26, ID_LETTERS),
    details: { input, version },
    ...(plan.ending === 'expiry' ? { expiresAfterMs: KEPT_MS } : {}),
  });
}

/** Replicate, "Prediction lifecycle". */
const STATUSES = {
  queued: 'starting',
  running: 'processing',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'canceled',
  expired: 'aborted',
} as const;

function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, model, state, details, startedAt, endedAt } = job;
  const removed =
    endedAt !== undefined && context.shared.clock.now() > endedAt + context.shared.clock.scaled(KEPT_MS);
  const url = state === 'succeeded' && !removed ? linkTo(context, job, KEPT_MS) : null;
  const time = (ms: number | undefined) =>
    ms === undefined ? null : new Date(context.timeShown(ms)).toISOString();
  const address = `${context.origin()}/v1/predictions/${encodeURIComponent(id)}`;
  return {
    id,
    model,
    version: details.version,
    input: removed ? {} : details.input,
    logs: '',
    output: url !== null && context.settings.listOutput ? [url] : url,
    data_removed: removed,
    error: job.failure ? ASSUMPTIONS.replicate.failures[job.failure] : null,
    status: STATUSES[state],
    created_at: time(job.createdAt),
    started_at: time(startedAt),
    completed_at: time(endedAt),
    urls: { get: address, cancel: `${address}/cancel` },
    metrics: endedAt === undefined ? {} : metricsOf(job, endedAt),
  };
}

/** Replicate, "Predictions": seconds of work, and seconds since the creation. */
const metricsOf = ({ createdAt, startedAt }: Job<Details>, endedAt: number) => ({
  predict_time: (endedAt - (startedAt ?? endedAt)) / 1000,
  total_time: (endedAt - createdAt) / 1000,
});
