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
import { CALLBACK, MODELS, PROMPT_LENGTH, RATIOS, SECONDS, SHORTER_SIDE } from './models.ts';

interface Details {
  readonly usd: number;
  /** The body of the submission, which answers show again. */
  readonly request: Body;
}
/** How many generations an account runs at a time ("Rate Limits"). A further one is refused. */
type Settings = { readonly concurrency: number };
type Context = UpstreamContext<Settings, Details>;

/** "Error": an object with `detail`. */
const errorAnswer = (status: number, detail: string, headers = {}): Answer => ({
  status,
  headers,
  body: { detail },
});
const refusal = (...of: Parameters<typeof errorAnswer>): Refusal => new Refusal(errorAnswer(...of));
const invalid = (detail: string): Refusal => refusal(400, detail);

/** Luma's Dream Machine API (openapi.yaml of github.com/lumalabs/lumaai-api; docs.lumalabs.ai: "Video Generation", "Errors", "Callbacks"). */
export const luma: Upstream = defineUpstream<Settings, Details>({
  name: 'luma',
  title: 'Luma Dream Machine',
  settings: { concurrency: ASSUMPTIONS.luma.concurrency },
  storage: presigned,
  // "After submission": moderation is told by `failure_reason`, also that of the prompt.
  endings: { refused: 'moderation', filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  keyOf: (account) => `luma-simulated-${account}`,
  credentialOf: (headers) => credential(headers, 'Bearer'),
  routes,
  paceOf: (model) => (MODELS[model] ? ASSUMPTIONS.luma.pace : undefined),
  bill: ({ video, details }) => ({ quantity: video.seconds, unit: 'seconds', usd: details.usd }),
  changed: (context, job) => announce(context, job),
  environment: (origin, key) => ({ LUMAAI_BASE_URL: `${origin}${BASE}`, LUMAAI_API_KEY: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        429,
        'Rate limit exceeded',
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) => errorAnswer(status, 'Internal server error'),
    notFound: () => errorAnswer(404, 'Not Found'),
    unreadable: () => errorAnswer(400, 'The body is not JSON'),
  },
});

const BASE = '/dream-machine/v1';

function routes(app: FastifyInstance, context: Context): void {
  // openapi.yaml and the SDKs have the first path, "Errors" the second.
  for (const path of [`${BASE}/generations/video`, `${BASE}/generations`]) {
    app.post(path, operation('submit'), async (request, reply) => {
      const account = authenticate(context, request);
      const job = submit(context, account, bodyOf(request));
      context.notes.about(request, job);
      return reply.code(201).send(view(context, job));
    });
  }

  app.get<{ Querystring: Record<string, string> }>(
    `${BASE}/generations`,
    operation('list'),
    async (request) => {
      const { name } = authenticate(context, request);
      const limit = Number(request.query.limit ?? 100);
      const offset = Number(request.query.offset ?? 0);
      if (!(limit >= 1 && limit <= 100 && offset >= 0)) throw invalid('limit or offset is out of range');
      const all = context.jobs.all().filter((job) => job.account === name);
      const generations = all.toReversed().slice(offset, offset + limit);
      return {
        generations: generations.map((job) => view(context, job)),
        has_more: all.length > offset + limit,
        count: generations.length,
        limit,
        offset,
      };
    },
  );

  app.get<{ Params: { id: string } }>(`${BASE}/generations/:id`, operation('poll'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    context.notes.about(request, job);
    return view(context, job);
  });

  // "Remove a specific generation by its ID." Nothing says that one that runs is stopped, or not paid for.
  app.delete<{ Params: { id: string } }>(
    `${BASE}/generations/:id`,
    operation('delete'),
    async (request, reply) => {
      const job = named(context, authenticate(context, request), request.params.id);
      context.notes.about(request, job);
      context.jobs.remove(job);
      return reply.code(204).send();
    },
  );
}

function named(context: Context, account: Account, id: string): Job<Details> {
  const job = context.jobs.find(id);
  if (!job || job.account !== account.name) throw refusal(404, 'Generation not found');
  return job;
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (!account || account.state === 'revoked') throw refusal(401, 'Invalid API key is provided');
  if (account.state === 'forbidden') throw refusal(403, 'Forbidden');
  return account;
}

function submit(context: Context, account: Account, body: Body): Job<Details> {
  if (account.state !== 'active') throw invalid(ASSUMPTIONS.luma.noCredits);
  const wait = context.shared.limiter.take(`luma ${account.name}`, ASSUMPTIONS.luma.rate);
  if (wait > 0) throw refusal(429, 'Rate limit exceeded', { 'retry-after': String(retryAfterSeconds(wait)) });
  const isFull = context.jobs.unfinished(account.name) >= context.settings.concurrency;
  if (context.shared.limiter.enabled && isFull) throw refusal(429, 'Too many generations at a time');
  const {
    model: name,
    prompt = '',
    aspect_ratio: ratio = '16:9',
    resolution = '720p',
    duration = '5s',
  } = body;
  const model = MODELS[String(name)];
  const seconds = SECONDS[String(duration)];
  const side = SHORTER_SIDE[String(resolution)];
  if (!model) throw invalid('model must be ray-2 or ray-flash-2');
  if (seconds === undefined) throw invalid('duration must be 5s or 9s');
  if (side === undefined) throw invalid('resolution must be 540p, 720p, 1080p or 4k');
  if (typeof ratio !== 'string' || !RATIOS.includes(ratio)) throw invalid('Invalid aspect ratio');
  checkPrompt(prompt, checkFrames(context, account, body));
  const size = sizeOf(ratio, side);
  const megapixels = (size.width * size.height * 24 * seconds) / 1e6;
  return context.jobs.submit({
    account: account.name,
    model: String(name),
    prompt: String(prompt),
    video: { ...size, seconds, audio: false },
    newId: (random) => random.uuid(),
    details: { usd: megapixels * model.usdPerMillionPixels, request: body },
  });
}

/** "Errors", before submission. */
function checkPrompt(prompt: unknown, hasFrames: boolean): void {
  if (typeof prompt !== 'string') throw invalid('Prompt must be a string');
  if (prompt === '' && !hasFrames) throw invalid('Prompt is required');
  if (prompt !== '' && prompt.length < PROMPT_LENGTH.least)
    throw invalid(`Prompt is too short, minimum length is ${PROMPT_LENGTH.least} characters`);
  if (prompt.length > PROMPT_LENGTH.most)
    throw invalid(`Prompt is too long, maximum length is ${PROMPT_LENGTH.most} characters`);
}

/** "You should upload and use your own cdn image urls, currently this is the only way to pass an image." */
function checkFrames(context: Context, account: Account, { keyframes, loop }: Body): boolean {
  if (keyframes === undefined || keyframes === null) return false;
  const { frame0, frame1 } = keyframes as Readonly<Record<string, Body | undefined>>;
  if (!frame0 && !frame1) throw invalid('No keyframes provided');
  for (const frame of [frame0, frame1]) {
    if (!frame) continue;
    if (frame.type === 'generation') {
      if (named(context, account, String(frame.id)).state !== 'succeeded')
        throw invalid('The generation is not completed');
    } else if (frame.type !== 'image' || !/^https?:\/\//.test(String(frame.url)))
      throw invalid('A keyframe must be an image with a url, or a generation with an id');
  }
  if (loop === true && frame1)
    throw invalid(`Loop is not supported for ${frame0 ? 'keyframes' : 'end frame'}`);
  return true;
}

const STATES = {
  queued: 'queued',
  running: 'dreaming',
  succeeded: 'completed',
  failed: 'failed',
  cancelled: 'failed',
  expired: 'failed',
} as const;

/** "Generation". */
function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, state, model, details, createdAt } = job;
  const { prompt, ...request } = details.request;
  return {
    id,
    generation_type: 'video',
    state: STATES[state],
    failure_reason: STATES[state] === 'failed' ? failureReason(job) : null,
    created_at: new Date(context.timeShown(createdAt)).toISOString(),
    assets: state === 'succeeded' ? { video: linkTo(context, job, ASSUMPTIONS.luma.keptMs) } : null,
    model,
    request: { generation_type: 'video', ...request, prompt: context.promptShown(String(prompt ?? '')) },
  };
}

/** "Errors", after submission. */
function failureReason({ failure, prompt }: Job<Details>): string {
  if (failure === 'invalid') return 'Failed to read user input frames';
  if (failure !== 'moderation') return 'Job failed';
  return planOf(prompt).ending === 'refused'
    ? 'Contains blacklisted words'
    : 'Advanced prompt moderation failed';
}

/** "A POST request with Generation object will be sent when the generation is dreaming, completed, or failed", unsigned. */
function announce(context: Context, job: Job<Details>): void {
  const { callback_url: url } = job.details.request;
  if (typeof url !== 'string' || (job.state !== 'running' && !isOver(job))) return;
  context.shared.webhooks.send({
    upstream: context.name,
    url,
    body: JSON.stringify(view(context, job)),
    headers: () => ({}),
    ...CALLBACK,
  });
}
