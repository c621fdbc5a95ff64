import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { isOver, type Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation, sizeOf } from '../hosted/request.ts';
import { errorAnswer, refusals } from './errors.ts';
import { EXTENSION, KEPT_MS, LONGEST_PROMPT, MODELS, RATIOS, SHORTER_SIDE } from './models.ts';

type Kind = 'text2video' | 'image2video' | 'video-extend';

interface Details {
  readonly kind: Kind;
  /** Seconds that are billed: those that an extension adds. */
  readonly seconds: number;
  readonly usd: number;
  /** The task whose video is extended. */
  readonly parent?: Job<Details>;
  /** The client's own name of the task. */
  readonly externalId: string | undefined;
  readonly callbackUrl: string | undefined;
}
/** How many tasks an account runs at a time, by its resource pack. A further one is refused. */
type Settings = { readonly concurrency: number };
type Context = UpstreamContext<Settings, Details>;

const KINDS: readonly Kind[] = ['text2video', 'image2video', 'video-extend'];
const secretOf = (accessKey: string): string => `secret-of-${accessKey}`;

/** Kling AI's API: `/v1/videos/text2video`, `image2video` and `video-extend` ("General information", "Text to video", "Image to video", "Video extension"). */
export const kling: Upstream = defineUpstream<Settings, Details>({
  name: 'kling',
  title: 'Kling AI',
  settings: { concurrency: ASSUMPTIONS.kling.concurrency },
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  keyOf: (account) => `kling-simulated-${account}`,
  credentialOf: (headers) => claimsOf(credential(headers, 'Bearer'))?.iss,
  routes,
  paceOf: (model) => (MODELS[model] ? ASSUMPTIONS.kling.pace : undefined),
  bill: ({ details }) => ({ quantity: details.seconds, unit: 'seconds', usd: details.usd }),
  changed: (context, job) => announce(context, job),
  environment: (origin, key) => ({
    KLING_BASE_URL: origin,
    KLING_ACCESS_KEY: key,
    KLING_SECRET_KEY: secretOf(key),
  }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        429,
        1302,
        'API requests too fast',
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) =>
      errorAnswer(status, status === 504 ? 5002 : status === 503 ? 5001 : 5000, 'Server error'),
    notFound: () => errorAnswer(404, 1202, 'The requested method is invalid'),
    unreadable: () => errorAnswer(400, 1200, 'Invalid request parameters'),
  },
});

function routes(app: FastifyInstance, context: Context): void {
  for (const kind of KINDS) {
    app.post(`/v1/videos/${kind}`, operation('submit'), async (request) => {
      const account = authenticate(context, request);
      admit(context, account);
      const make = kind === 'video-extend' ? extend : submit;
      const job = make(context, account, kind, bodyOf(request));
      context.notes.about(request, job);
      return success(taskOf(context, job));
    });

    // "Task id, or the custom task id: choose one of the two." Tasks that extend have no custom id.
    app.get<{ Params: { id: string } }>(`/v1/videos/${kind}/:id`, operation('poll'), async (request) => {
      const account = authenticate(context, request);
      const { id } = request.params;
      const job = ofAccount(context, account, kind).find(
        (one) => one.id === id || one.details.externalId === id,
      );
      if (!job) throw refusals.notFound(`Task not found: ${id}`);
      context.notes.about(request, job);
      return success(taskOf(context, job));
    });

    // "pageNum: 1 to 1000; pageSize: 1 to 500, 30 by default."
    app.get<{ Querystring: Record<string, string> }>(
      `/v1/videos/${kind}`,
      operation('list'),
      async (request) => {
        const account = authenticate(context, request);
        const page = Number(request.query.pageNum ?? 1);
        const size = Number(request.query.pageSize ?? 30);
        if (!(page >= 1 && page <= 1000 && size >= 1 && size <= 500))
          throw refusals.invalid('pageNum or pageSize is out of range');
        const jobs = ofAccount(context, account, kind).slice((page - 1) * size, page * size);
        return success(jobs.map((job) => taskOf(context, job)));
      },
    );
  }
}

const success = (data: unknown) => ({ code: 0, message: 'SUCCEED', request_id: 'simulated', data });

/** The tasks of an account, newest first. */
const ofAccount = ({ jobs }: Context, { name }: Account, kind: Kind): readonly Job<Details>[] =>
  jobs
    .all()
    .filter((job) => job.account === name && job.details.kind === kind)
    .reverse();

/** Checks the token by the time that answers show. It passes as the wall clock does, because tokens are for real minutes. */
function authenticate(context: Context, request: FastifyRequest): Account {
  const token = credential(request.headers, 'Bearer');
  if (token === undefined) throw refusals.noToken();
  const claims = claimsOf(token);
  const account = context.accountOf(request);
  if (!claims || !account || account.state === 'revoked' || !isSigned(token, secretOf(account.key)))
    throw refusals.wrongToken();
  const now = context.timeShown(Date.now()) / 1000;
  if (claims.nbf > now + 1) throw refusals.tooEarly();
  if (claims.exp < now) throw refusals.tooLate();
  return account;
}

interface Claims {
  readonly iss: string;
  readonly exp: number;
  readonly nbf: number;
}

function claimsOf(token: string | undefined): Claims | undefined {
  try {
    const read = (part: string | undefined) =>
      JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    const [header, payload] = (token ?? '').split('.');
    const { iss, exp, nbf } = read(payload);
    const isKling = read(header).alg === 'HS256' && typeof iss === 'string';
    return isKling && typeof exp === 'number' && typeof nbf === 'number' ? { iss, exp, nbf } : undefined;
  } catch {
    return undefined;
  }
}

function isSigned(token: string, secret: string): boolean {
  const end = token.lastIndexOf('.');
  const given = Buffer.from(token.slice(end + 1), 'base64url');
  const expected = createHmac('sha256', secret).update(token.slice(0, end)).digest();
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function admit(context: Context, account: Account): void {
  if (account.state === 'forbidden') throw refusals.forbidden();
  if (account.state === 'overdue') throw refusals.inArrears();
  if (account.state !== 'active') throw refusals.noCredits();
  const limit = { requests: ASSUMPTIONS.kling.requestsPerSecond, perMs: 1000 };
  const wait = context.shared.limiter.take(`kling ${account.name}`, limit);
  if (wait > 0) throw refusals.tooFast(retryAfterSeconds(wait));
  const isFull = context.jobs.unfinished(account.name) >= context.settings.concurrency;
  if (context.shared.limiter.enabled && isFull) throw refusals.tooMany();
}

function submit(context: Context, account: Account, kind: Kind, body: Body): Job<Details> {
  const {
    prompt,
    aspect_ratio: ratio = '16:9',
    external_task_id: externalId,
    callback_url: callbackUrl,
  } = body;
  if (typeof prompt !== 'string' || prompt === '' || prompt.length > LONGEST_PROMPT)
    throw refusals.invalid(`prompt must have 1 to ${LONGEST_PROMPT} characters`);
  if (typeof ratio !== 'string' || !RATIOS.includes(ratio))
    throw refusals.invalid('aspect_ratio value is invalid');
  const { name, mode, seconds, sound, usd } = readPricing(body);
  checkImages(kind, body, { takesLast: MODELS[name]?.lastFrame === true && mode === 'pro' && !sound });
  if (planOf(prompt).ending === 'refused') throw refusals.content();
  return context.jobs.submit({
    account: account.name,
    model: name,
    prompt,
    video: { ...sizeOf(kind === 'text2video' ? ratio : '16:9', SHORTER_SIDE[mode]), seconds, audio: sound },
    newId: (random) => random.text(18, '0123456789'),
    details: {
      kind,
      seconds,
      usd: usd * seconds,
      externalId: typeof externalId === 'string' ? externalId : undefined,
      callbackUrl: typeof callbackUrl === 'string' ? callbackUrl : undefined,
    },
  });
}

const videoIdOf = ({ id }: Job<Details>): string => `video-${id}`;

/**
 * "Video extension": continues the video of a task that is over, by its id. "The model and the mode cannot be chosen, they are those of the source.
 * Cleared after 30 days, a video cannot be extended."
 */
function extend(context: Context, account: Account, kind: Kind, body: Body): Job<Details> {
  const { video_id: videoId, prompt = '', callback_url: callbackUrl } = body;
  if (typeof prompt !== 'string' || prompt.length > LONGEST_PROMPT)
    throw refusals.invalid(`prompt must have at most ${LONGEST_PROMPT} characters`);
  if (typeof videoId !== 'string') throw refusals.invalid('video_id must not be empty');
  const parent = context.jobs
    .all()
    .find((job) => job.account === account.name && job.state === 'succeeded' && videoIdOf(job) === videoId);
  const { clock } = context.shared;
  if (!parent || (parent.endedAt ?? 0) + clock.kept(KEPT_MS) < clock.now())
    throw refusals.notFound(`Video not found: ${videoId}`);
  if (!MODELS[parent.model]?.extends) throw refusals.invalid(`videos of ${parent.model} cannot be extended`);
  const seconds = parent.delivered.seconds + EXTENSION.seconds;
  if (seconds > EXTENSION.mostSeconds)
    throw refusals.invalid('the video must not become longer than 3 minutes');
  if (planOf(prompt).ending === 'refused') throw refusals.content();
  return context.jobs.submit({
    account: account.name,
    model: parent.model,
    prompt,
    video: { ...parent.video, seconds },
    newId: (random) => random.text(18, '0123456789'),
    details: {
      kind,
      seconds: EXTENSION.seconds,
      usd: (parent.details.usd / parent.details.seconds) * EXTENSION.seconds,
      parent,
      externalId: undefined,
      callbackUrl: typeof callbackUrl === 'string' ? callbackUrl : undefined,
    },
  });
}

function readPricing({
  model_name: model = 'kling-v1',
  mode = 'std',
  duration = '5',
  sound: wanted = 'off',
}: Body) {
  const name = String(model);
  const known = MODELS[name];
  if (!known) throw refusals.notFound(`model ${name} is not supported`);
  if (mode !== 'std' && mode !== 'pro') throw refusals.invalid('mode value is invalid');
  const seconds = typeof duration === 'string' ? Number(duration) : Number.NaN;
  const allowed = known.seconds;
  const isLength =
    'least' in allowed
      ? Number.isInteger(seconds) && seconds >= allowed.least && seconds <= allowed.most
      : allowed.includes(seconds);
  if (!isLength) throw refusals.invalid('duration value is invalid');
  if (wanted !== 'on' && wanted !== 'off') throw refusals.invalid('sound value is invalid');
  const sound = wanted === 'on';
  const usd = sound ? known.usdWithSound[mode] : known.usd[mode];
  if (usd === undefined) throw refusals.invalid(`${name} does not support sound in mode ${mode}`);
  return { name, mode, seconds, sound, usd } as const;
}

/** "Do not add a prefix such as data:image/png;base64, to the Base64 text." */
const isImage = (value: unknown): boolean =>
  typeof value === 'string' && (/^https?:\/\//.test(value) || /^[A-Za-z0-9+/]+={0,2}$/.test(value));

function checkImages(
  kind: Kind,
  { image, image_tail: last }: Body,
  { takesLast }: { takesLast: boolean },
): void {
  if (kind === 'text2video') {
    if (image !== undefined || last !== undefined)
      throw refusals.invalid('image is not a parameter of text2video');
    return;
  }
  if (!isImage(image)) throw refusals.invalid('image must be a URL or Base64 without a prefix');
  if (last === undefined) return;
  if (!isImage(last)) throw refusals.invalid('image_tail must be a URL or Base64 without a prefix');
  if (!takesLast) throw refusals.invalid('image_tail is not supported by this model and mode');
}

const STATUSES = {
  queued: 'submitted',
  running: 'processing',
  succeeded: 'succeed',
  failed: 'failed',
  cancelled: 'failed',
  expired: 'failed',
} as const;

const videoOf = (context: Context, job: Job<Details>) => ({
  id: videoIdOf(job),
  url: linkTo(context, job, KEPT_MS),
  duration: String(job.delivered.seconds),
});

/** A task as queries, lists and callbacks show it. Times are milliseconds. */
function taskOf(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, state, failure, details } = job;
  const updatedAt = job.endedAt ?? job.startedAt ?? job.createdAt;
  const message = failure === 'moderation' ? 'Failure to pass the risk control system' : 'Internal error';
  return {
    task_id: id,
    task_status: STATUSES[state],
    ...(STATUSES[state] === 'failed' ? { task_status_msg: message } : {}),
    task_info: {
      ...(details.externalId === undefined ? {} : { external_task_id: details.externalId }),
      // "parent_video: the video before the extension."
      ...(details.parent ? { parent_video: videoOf(context, details.parent) } : {}),
    },
    // "The id of the whole video after the extension; the duration in all."
    ...(state === 'succeeded' ? { task_result: { videos: [videoOf(context, job)] } } : {}),
    created_at: context.timeShown(job.createdAt),
    updated_at: context.timeShown(updatedAt),
  };
}

/** "Callback protocol": the task, on each change of its status, unsigned. */
function announce(context: Context, job: Job<Details>): void {
  const { callbackUrl: url } = job.details;
  if (url === undefined) return;
  context.shared.webhooks.send({
    upstream: context.name,
    url,
    body: JSON.stringify(taskOf(context, job)),
    headers: () => ({}),
    retryMs: isOver(job) ? ASSUMPTIONS.kling.retryMs : [],
    timeoutMs: ASSUMPTIONS.kling.timeoutMs,
  });
}
