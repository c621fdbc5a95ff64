import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import type { Job } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, operation, sizeOf } from '../hosted/request.ts';
import { errorAnswer, refusals } from './errors.ts';
import {
  HIGHEST_SEED,
  LONGEST_PROMPT,
  LONGEST_SECONDS,
  MODELS,
  RATIOS,
  SHORTER_SIDE,
  USD_PER_CREDIT,
} from './models.ts';

type Kind = 'text' | 'img';

interface Details {
  readonly credits: number;
  readonly traceId: string;
}
/** How many jobs an account runs at a time, by its plan ("Rate limit"). A further one is refused. */
type Settings = { readonly concurrency: number };
type Context = UpstreamContext<Settings, Details>;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** PixVerse's Platform API: `/openapi/v2/image/upload`, `/video/text/generate`, `/video/img/generate` and `/video/result/{id}` ("API reference"). */
export const pixverse: Upstream = defineUpstream<Settings, Details>({
  name: 'pixverse',
  title: 'PixVerse',
  settings: { concurrency: ASSUMPTIONS.pixverse.concurrency },
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation', expiry: 'failure' },
  keyOf: (account) => `sk-pixverse-simulated-${account}`,
  credentialOf: (headers) => textOf(headers['api-key']),
  routes,
  paceOf: (model) => (MODELS[model] ? ASSUMPTIONS.pixverse.pace : undefined),
  bill: ({ details: { credits } }) => ({ quantity: credits, unit: 'credits', usd: credits * USD_PER_CREDIT }),
  environment: (origin, key) => ({ PIXVERSE_BASE_URL: origin, PIXVERSE_API_KEY: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        99999,
        'Too many requests',
        429,
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) => errorAnswer(99999, 'Unknown error', status),
    notFound: () => errorAnswer(400017, 'invalid param: no such endpoint', 404),
    unreadable: () => errorAnswer(400017, 'invalid param: the body is not JSON', 400),
  },
});

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

async function routes(app: FastifyInstance, context: Context): Promise<void> {
  await app.register(multipart);
  const images = new Set<unknown>();
  /** The last answers about jobs by their trace ids. */
  const polled = new Map<string, unknown>();

  // "Upload image": a field `image`, or `image_url`.
  app.post('/openapi/v2/image/upload', operation('upload'), async (request) => {
    authenticate(context, request);
    const file = request.isMultipart() ? await request.file() : undefined;
    if (file?.fieldname !== 'image') throw refusals.empty('image');
    if (!/^image\/(?:png|jpeg|webp)$/.test(file.mimetype)) throw refusals.invalid('image type');
    await file.toBuffer();
    const id = images.size + 1;
    images.add(id);
    return success({ img_id: id, img_url: `https://media.pixverse.ai/${id}.png` });
  });

  for (const kind of ['text', 'img'] as const) {
    app.post(`/openapi/v2/video/${kind}/generate`, operation('submit'), async (request) => {
      const account = authenticate(context, request);
      const traceId = traceOf(request);
      const body = bodyOf(request);
      if (kind === 'img' && !images.has(body.img_id)) throw refusals.invalid('img_id');
      // "A different Ai-trace-id for each unique request": otherwise the answer is that of the first one.
      const earlier = context.jobs
        .all()
        .find(({ account: owner, details }) => owner === account.name && details.traceId === traceId);
      const job = earlier ?? submit(context, account, kind, body, traceId);
      context.notes.about(request, job);
      return success({ video_id: shownId(job), credits: job.details.credits });
    });
  }

  app.get<{ Params: { id: string } }>('/openapi/v2/video/result/:id', operation('poll'), async (request) => {
    const account = authenticate(context, request);
    const traceId = traceOf(request);
    const job = context.jobs.find(request.params.id);
    if (job?.account !== account.name) throw refusals.notFound();
    context.notes.about(request, job);
    const answer = polled.get(traceId) ?? success(view(context, job));
    polled.set(traceId, answer);
    const [oldest = ''] = polled.keys();
    if (polled.size > 1000) polled.delete(oldest);
    return answer;
  });
}

const success = (resp: unknown) => ({ ErrCode: 0, ErrMsg: 'success', Resp: resp });
/** Ids are numbers. */
const shownId = ({ id }: Job<Details>): number | string => (/^\d{1,15}$/.test(id) ? Number(id) : id);

function traceOf(request: FastifyRequest): string {
  const traceId = request.headers['ai-trace-id'];
  if (typeof traceId !== 'string' || !UUID.test(traceId)) throw refusals.invalid('Ai-trace-id');
  return traceId;
}

function authenticate(context: Context, request: FastifyRequest): Account {
  traceOf(request);
  const account = context.accountOf(request);
  if (!account || account.state === 'revoked') throw refusals.account();
  return account;
}

function submit(context: Context, account: Account, kind: Kind, body: Body, traceId: string): Job<Details> {
  const { prompt, model: name, aspect_ratio: ratio, seed } = body;
  if (typeof prompt !== 'string' || prompt === '') throw refusals.empty('prompt');
  if (prompt.length > LONGEST_PROMPT) throw refusals.invalid('prompt');
  const { quality, seconds, audio, credits } = readPricing(body);
  const isRatio = kind === 'img' ? ratio === undefined : RATIOS.includes(String(ratio));
  if (!isRatio) throw refusals.invalid('aspect_ratio');
  const isSeed =
    seed === undefined ||
    (typeof seed === 'number' && Number.isInteger(seed) && seed >= 0 && seed <= HIGHEST_SEED);
  if (!isSeed) throw refusals.invalid('seed');
  if (planOf(prompt).ending === 'refused') throw refusals.sensitive();
  admit(context, account);
  return context.jobs.submit({
    account: account.name,
    model: String(name),
    prompt,
    video: {
      ...sizeOf(kind === 'img' ? '16:9' : String(ratio), SHORTER_SIDE[quality] ?? 720),
      seconds,
      audio,
    },
    newId: (random) => random.text(15, '123456789'),
    details: { credits, traceId },
    seed,
  });
}

function admit(context: Context, account: Account): void {
  if (account.state !== 'active') throw refusals.noCredits(ASSUMPTIONS.pixverse.noCredits);
  const isFull = context.jobs.unfinished(account.name) >= context.settings.concurrency;
  if (context.shared.limiter.enabled && isFull) throw refusals.tooMany();
}

function readPricing({
  model: name,
  quality: wanted,
  duration: seconds,
  generate_audio_switch: audio = false,
}: Body) {
  const model = MODELS[String(name)];
  if (!model) throw refusals.invalid('model');
  if (typeof audio !== 'boolean') throw refusals.invalid('generate_audio_switch');
  const quality = String(wanted);
  const credits = (audio ? model.creditsWithSound : model.credits)[quality];
  if (credits === undefined) throw refusals.invalid('quality');
  const isLength =
    typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 1 && seconds <= LONGEST_SECONDS;
  if (!isLength) throw refusals.invalid('duration');
  return { quality, seconds, audio, credits: credits * seconds };
}

/** "1: Generation successful; 5: Generating; 7: Contents moderation failed; 8: Generation failed." */
function statusOf({ state, failure }: Job<Details>): number {
  if (state === 'queued' || state === 'running') return 5;
  if (state === 'succeeded') return 1;
  return failure === 'moderation' ? 7 : 8;
}

/** A job as `GET /openapi/v2/video/result/{id}` shows it. */
function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { prompt, seed, video } = job;
  const isThere = job.state === 'succeeded';
  return {
    id: shownId(job),
    status: statusOf(job),
    url: isThere ? linkTo(context, job, ASSUMPTIONS.pixverse.keptMs) : '',
    prompt: context.promptShown(prompt),
    seed,
    outputWidth: isThere ? video.width : 0,
    outputHeight: isThere ? video.height : 0,
    create_time: timeOf(context, job.createdAt),
    modify_time: timeOf(context, job.endedAt ?? job.startedAt ?? job.createdAt),
  };
}

const timeOf = (context: Context, ms: number): string => new Date(context.timeShown(ms)).toISOString();
