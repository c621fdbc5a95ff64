import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import type { Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { bodyOf, credential, operation, sizeOf } from '../hosted/request.ts';
import { errorAnswer, refusals } from './errors.ts';

interface Details {
  readonly resolution: string;
  readonly ratio: string;
}
type Context = UpstreamContext<Record<string, never>, Details>;

/** MiniMax, "Video generation v2": tiers with the pixels of their shorter side, and USD a second ("Pay as you go"). */
const MODELS: Readonly<Record<string, Readonly<Record<string, { shorter: number; usd: number }>>>> = {
  'MiniMax-H3': { '768P': { shorter: 768, usd: 0.08 }, '2K': { shorter: 1440, usd: 0.13 } },
  'MiniMax-H3-Max': { '480P': { shorter: 480, usd: 0.05 }, '768P': { shorter: 768, usd: 0.08 } },
};
/** "Duration 4 to 15 seconds." */
const SECONDS = { least: 4, most: 15 };
const RATIOS = ['21:9', '16:9', '4:3', '1:1', '3:4', '9:16'];
/** MiniMax, "Rate limits": video generation, five requests a minute. */
const REQUESTS_PER_MINUTE = 5;
/** "Time-limited URL of the generated MP4. Query again for a refreshed URL." */
const KEPT_MS = ASSUMPTIONS.minimax.keptMs;

/** MiniMax's video API, version 2: `POST /v2/video_generation`, `GET /v2/query/video_generation/{task_id}`. */
export const minimax: Upstream = defineUpstream<Record<string, never>, Details>({
  name: 'minimax',
  title: 'MiniMax (Hailuo)',
  settings: {},
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation' },
  keyOf: (account) => `minimax-simulated-${account}`,
  credentialOf: (headers) => credential(headers, 'Bearer'),
  routes,
  paceOf: () => ASSUMPTIONS.minimax.pace,
  bill: ({ model, video, details }) => ({
    quantity: video.seconds,
    unit: 'seconds',
    usd: (MODELS[model]?.[details.resolution]?.usd ?? 0) * video.seconds,
  }),
  environment: (origin, key) => ({ MINIMAX_VIDEO_BASE_URL: origin, MINIMAX_API_KEY: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        429,
        'rate_limit_error',
        'rate limit, please retry later (1002)',
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) => errorAnswer(status, 'server_error', 'internal error (1000)'),
    notFound: () => errorAnswer(404, 'not_found_error', 'page not found'),
    unreadable: () => errorAnswer(400, 'bad_request_error', 'invalid params, body is not JSON (2013)'),
  },
});

function routes(app: FastifyInstance, context: Context): void {
  app.post('/v2/video_generation', operation('submit'), async (request) => {
    const account = authenticate(context, request);
    if (account.state !== 'active') throw refusals.noBalance();
    const limit = { requests: REQUESTS_PER_MINUTE, perMs: 60_000 };
    const wait = context.shared.limiter.take(`minimax ${account.name}`, limit);
    if (wait > 0) throw refusals.rateLimited(retryAfterSeconds(wait));
    const job = submit(context, account, request);
    context.notes.about(request, job);
    return { task_id: job.id };
  });

  app.get<{ Params: { id: string } }>(
    '/v2/query/video_generation/:id',
    operation('poll'),
    async (request) => {
      const account = authenticate(context, request);
      const job = context.jobs.find(request.params.id);
      if (!job || job.account !== account.name) throw refusals.noTask();
      context.notes.about(request, job);
      return { task: view(context, job) };
    },
  );
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (account && account.state !== 'revoked') return account;
  throw credential(request.headers, 'Bearer') === undefined ? refusals.missingKey() : refusals.wrongKey();
}

function submit(context: Context, account: Account, request: FastifyRequest): Job<Details> {
  const { model: name, content, resolution, duration, ratio } = bodyOf(request);
  const model = MODELS[String(name)];
  if (!model) throw refusals.invalid(`model ${name} is not supported`);
  const { prompt, hasFrames, hasMedia } = readContent(content);
  const tier = model[String(resolution)];
  if (!tier) throw refusals.invalid(`resolution ${resolution} is not supported by ${name}`);
  const isLength = typeof duration === 'number' && Number.isInteger(duration);
  if (!isLength || duration < SECONDS.least || duration > SECONDS.most) {
    throw refusals.invalid(`duration must be an integer from ${SECONDS.least} to ${SECONDS.most}`);
  }
  // "Required for text-to-video and cannot be adaptive there; ignored for first and last frames."
  const shaped = typeof ratio === 'string' && RATIOS.includes(ratio);
  if (!hasMedia && !shaped) throw refusals.invalid('ratio is required for text to video');
  const plan = planOf(prompt);
  if (plan.ending === 'refused') throw refusals.sensitive();
  const shape = shaped && !hasFrames ? ratio : '16:9';
  return context.jobs.submit({
    account: account.name,
    model: String(name),
    prompt,
    video: { ...sizeOf(shape, tier.shorter), seconds: duration, audio: true },
    newId: (random) => `4${random.text(14, '0123456789')}`,
    details: { resolution: String(resolution), ratio: shape },
    ...(plan.ending === 'expiry' ? { expiresAfterMs: KEPT_MS } : {}),
  });
}

/** The error of a failed task, with the platform's error codes. */
const FAILURES = {
  moderation: { code: '1027', message: 'generated video contains sensitive content' },
  internal: { code: '1000', message: 'internal error' },
  invalid: { code: '2013', message: 'invalid params' },
} as const;

function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { id, model, state, delivered, details } = job;
  const seconds = (ms: number): number => Math.floor(context.timeShown(ms) / 1000);
  return {
    id,
    type: 'video_generation',
    model,
    status: state,
    created_at: seconds(job.createdAt),
    updated_at: seconds(job.endedAt ?? job.startedAt ?? job.createdAt),
    ...(state === 'succeeded'
      ? {
          content: { url: linkTo(context, job, KEPT_MS) },
          resolution: details.resolution,
          ratio: details.ratio,
          duration: delivered.seconds,
          usage: { total_seconds: delivered.seconds, input_seconds: 0, output_seconds: delivered.seconds },
        }
      : {}),
    ...(job.failure ? { error: FAILURES[job.failure] } : {}),
  };
}

interface Content {
  readonly prompt: string;
  readonly hasFrames: boolean;
  readonly hasMedia: boolean;
}

const FRAMES = ['first_frame', 'last_frame'];
/** "Each text item supports up to 7,000 characters." */
const LONGEST_PROMPT = 7000;
/** "Up to nine reference images." */
const MOST_IMAGES = 9;

/** `content`: exactly one non-empty text, and images with roles (MiniMax, "Video generation v2"). */
function readContent(content: unknown): Content {
  const items: Record<string, unknown>[] = Array.isArray(content) ? content : [];
  const [text, second] = items.filter(({ type }) => type === 'text').map((item) => item.text);
  if (typeof text !== 'string' || text === '' || second !== undefined) {
    throw refusals.invalid('content must include a non-empty text item (prompt is required)');
  }
  if (text.length > LONGEST_PROMPT) throw refusals.invalid('prompt is too long');
  const media = items.filter(({ type }) => type !== 'text');
  for (const item of media) if (!isImage(item)) throw refusals.invalid('an image item needs image_url.url');
  const roles = media.map(({ role }) => String(role));
  const frames = roles.filter((role) => FRAMES.includes(role)).length;
  if (frames > 0 && frames < roles.length) {
    throw refusals.invalid('frames and references cannot be used in one request');
  }
  if (roles.length - frames > MOST_IMAGES) throw refusals.invalid('too many reference images');
  return { prompt: text, hasFrames: frames > 0, hasMedia: media.length > 0 };
}

function isImage({ type, image_url: image }: Record<string, unknown>): boolean {
  const url = typeof image === 'object' && image !== null ? Reflect.get(image, 'url') : undefined;
  return type === 'image_url' && typeof url === 'string' && /^(?:https?:|mm_file:|data:image\/)/.test(url);
}
