import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { give } from '../core/faults/hooks.ts';
import { type Job, progressOf } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { linkTo, presigned } from '../hosted/links.ts';
import { type Body, bodyOf, credential, operation, sizeOf } from '../hosted/request.ts';
import { errorAnswer, refusals } from './errors.ts';
import { LONGEST_PROMPT, MODELS, RATIOS, REFERENCES, RESOLUTION, SECONDS, TICKS_PER_USD } from './models.ts';

interface Details {
  readonly usd: number;
}
type Settings = { readonly emptyPending: boolean };
type Context = UpstreamContext<Settings, Details>;

const RATE_LIMITED = 'Too many requests';

/** xAI's video API: `POST /v1/videos/generations` and `GET /v1/videos/{request_id}` (docs.x.ai, REST API reference, "Videos"). */
export const xai: Upstream = defineUpstream<Settings, Details>({
  name: 'xai',
  title: 'xAI (Grok Imagine)',
  // The answer for a running job is a 202, "sometimes with an empty body".
  settings: { emptyPending: false },
  storage: presigned,
  endings: { filtered: 'moderation', partial: 'moderation', invalid: 'failure' },
  keyOf: (account) => `xai-simulated-${account}`,
  credentialOf: (headers) => credential(headers, 'Bearer'),
  routes,
  paceOf: () => ASSUMPTIONS.xai.pace,
  bill: ({ video, details }) => ({ quantity: video.seconds, unit: 'seconds', usd: details.usd }),
  environment: (origin, key) => ({ XAI_BASE_URL: `${origin}/v1`, XAI_API_KEY: key }),
  answers: {
    rateLimited: (seconds) =>
      errorAnswer(
        429,
        RATE_LIMITED,
        'Too many requests for your team; slow down.',
        seconds === undefined ? {} : { 'retry-after': String(seconds) },
      ),
    unavailable: (status) =>
      errorAnswer(status, 'The service is currently unavailable', 'Service temporarily unavailable.'),
    notFound: () => errorAnswer(404, 'Some requested entity was not found', 'No such path.'),
    unreadable: () => errorAnswer(400, 'Client specified an invalid argument', 'The body is not JSON.'),
  },
});

function routes(app: FastifyInstance, context: Context): void {
  app.post('/v1/videos/generations', operation('submit'), async (request) => {
    const account = authenticate(context, request);
    admit(context, account);
    const job = submit(context, account, bodyOf(request));
    context.notes.about(request, job);
    return { request_id: job.id };
  });

  app.get<{ Params: { id: string } }>('/v1/videos/:id', operation('poll'), async (request, reply) => {
    const account = authenticate(context, request);
    const job = context.jobs.find(request.params.id);
    if (!job || job.account !== account.name) throw refusals.noVideo(request.params.id);
    context.notes.about(request, job);
    const running = job.state === 'queued' || job.state === 'running';
    if (running && context.settings.emptyPending) return give(reply, { status: 202, body: '' });
    return reply.code(running ? 202 : 200).send(view(context, job));
  });
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (account && account.state !== 'revoked') return account;
  const key = credential(request.headers, 'Bearer');
  throw key === undefined ? refusals.missingKey() : refusals.wrongKey(key);
}

function admit(context: Context, account: Account): void {
  if (account.state === 'forbidden') throw refusals.forbidden();
  if (account.state !== 'active') throw refusals.noCredits();
  const limit = { requests: ASSUMPTIONS.xai.requestsPerMinute, perMs: 60_000 };
  const wait = context.shared.limiter.take(`xai ${account.name}`, limit);
  if (wait === 0) return;
  const answer = errorAnswer(429, RATE_LIMITED, 'Too many requests for your team; slow down.', {
    'retry-after': String(retryAfterSeconds(wait)),
  });
  throw Object.assign(refusals.noCredits(), { answer });
}

function submit(context: Context, account: Account, body: Body): Job<Details> {
  const { prompt, duration = SECONDS.usual, resolution = RESOLUTION, aspect_ratio: ratio = '16:9' } = body;
  const name = String(body.model);
  const model = MODELS[name];
  if (!model) throw refusals.noModel(name);
  if (typeof prompt !== 'string' || prompt === '' || prompt.length > LONGEST_PROMPT) {
    throw refusals.invalid(`prompt must be text of 1 to ${LONGEST_PROMPT} characters.`);
  }
  if (typeof duration !== 'number' || duration < SECONDS.least || duration > SECONDS.most) {
    throw refusals.invalid(`duration must be from ${SECONDS.least} to ${SECONDS.most}.`);
  }
  if (typeof ratio !== 'string' || !RATIOS.includes(ratio))
    throw refusals.invalid('aspect_ratio is unknown.');
  const usd = typeof resolution === 'string' ? model.usd[resolution] : undefined;
  if (usd === undefined) throw refusals.invalid(`${name} does not support resolution ${resolution}.`);
  checkImages(body, model.lastFrame, String(resolution));
  if (planOf(prompt).ending === 'refused') throw refusals.moderated();
  return context.jobs.submit({
    account: account.name,
    model: name,
    prompt,
    video: {
      ...sizeOf(ratio, Number.parseInt(String(resolution), 10)),
      seconds: duration,
      audio: body.generate_audio !== false,
    },
    newId: (random) => random.uuid(),
    details: { usd: usd * duration },
    ...(planOf(prompt).ending === 'expiry' ? { expiresAfterMs: ASSUMPTIONS.xai.keptMs } : {}),
  });
}

function checkImages(body: Body, lastFrame: boolean, resolution: string): void {
  const { image, last_frame: last, reference_images: references } = body;
  for (const one of [image, last, ...(Array.isArray(references) ? references : [])]) {
    if (one === undefined) continue;
    const url = typeof one === 'object' && one !== null ? Reflect.get(one, 'url') : undefined;
    if (typeof url !== 'string' || !/^(?:https?:|data:image\/)/.test(url)) {
      throw refusals.invalid('An image must be {"url": …}, a public URL or a data URL.');
    }
  }
  if (last !== undefined && !lastFrame) throw refusals.invalid('This model does not support last_frame.');
  if (!Array.isArray(references)) return;
  if (references.length < 1 || references.length > REFERENCES.most || image !== undefined) {
    throw refusals.invalid(`One to ${REFERENCES.most} reference images are taken, and no image with them.`);
  }
  if (resolution === '1080p') throw refusals.invalid(`References allow ${REFERENCES.largest} at most.`);
}

/** "status: pending, done, expired or failed". A video that moderation stopped is `done` with `respect_moderation` false. */
function view(context: Context, job: Job<Details>): Record<string, unknown> {
  const { model, state, failure, delivered, details } = job;
  const usage = { cost_in_usd_ticks: Math.round(details.usd * TICKS_PER_USD) };
  switch (state) {
    case 'queued':
    case 'running':
      return { status: 'pending', model, progress: progressOf(job, context.shared.clock.now()) };
    case 'expired':
      return { status: 'expired', model };
    case 'succeeded': {
      const url = linkTo(context, job, ASSUMPTIONS.xai.keptMs);
      const video = { url, duration: delivered.seconds, respect_moderation: true };
      return { status: 'done', model, progress: 100, video, usage };
    }
    default:
      return failure === 'moderation'
        ? { status: 'done', model, video: { url: '', respect_moderation: false }, usage }
        : { status: 'failed', model, error: { code: 'internal_error', message: 'Video generation failed.' } };
  }
}
