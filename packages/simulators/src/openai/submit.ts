import type { FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import type { JobRequest } from '../core/jobs/job.ts';
import { planOf } from '../core/jobs/markers.ts';
import { retryAfterSeconds } from '../core/limiter.ts';
import { ASSUMPTIONS } from './assumptions.ts';
import { type Body, isObject, isUpload, readBody } from './body.ts';
import { checkCharacters } from './characters.ts';
import { checkReference, choiceOf, onlyFields, promptOf, textOf } from './checks.ts';
import type { OpenAiContext } from './context.ts';
import { refusals } from './errors.ts';
import { findVideo } from './find.ts';
import {
  DEFAULT_MODEL,
  DEFAULT_SECONDS,
  DEFAULT_SIZE,
  LONGEST_SECONDS,
  MODELS,
  MOST_EXTENSIONS,
  type SoraModel,
} from './models.ts';
import type { VideoDetails, VideoJob } from './video.ts';

type NewVideo = Pick<VideoDetails, 'size' | 'seconds' | 'remixedFrom' | 'extensions'> & {
  readonly prompt: string;
  readonly model: string;
  readonly billedSeconds: number;
};

/** `POST /videos` (CreateVideoMultipartBody, CreateVideoJsonBody). */
export async function create(context: OpenAiContext, request: FastifyRequest, account: Account) {
  const body = await readBody(request);
  const name = textOf(body, 'model', DEFAULT_MODEL);
  const model = admit(context, account, name);
  onlyFields(body, ['prompt', 'model', 'seconds', 'size', 'input_reference', 'characters']);
  const prompt = promptOf(body);
  const seconds = Number(choiceOf(body, 'seconds', context.flavour.seconds, DEFAULT_SECONDS));
  const sizes = Object.keys(model.sizes).filter((size) => context.flavour.sizes?.includes(size) ?? true);
  const size = choiceOf(body, 'size', sizes, DEFAULT_SIZE);
  checkReference(body, dimensions(size));
  checkCharacters(context, account, body);
  const video = { prompt, model: name, size, seconds, billedSeconds: seconds, remixedFrom: null };
  return submit(context, account, { ...video, extensions: 0 });
}

/** `POST /videos/{id}/remix` (CreateVideoRemixBody): the same video, changed as the prompt says. */
export async function remix(context: OpenAiContext, request: FastifyRequest, account: Account, id: string) {
  const source = completed(context, account, id);
  admit(context, account, source.model);
  const body = await readBody(request);
  onlyFields(body, ['prompt']);
  return submit(context, account, {
    ...like(source),
    prompt: promptOf(body),
    remixedFrom: source.id,
  });
}

/** `POST /videos/edits` (CreateVideoEditJsonBody, …MultipartBody): a video of this simulator, or an uploaded one. */
export async function edit(context: OpenAiContext, request: FastifyRequest, account: Account) {
  const body = await readBody(request);
  onlyFields(body, ['prompt', 'video']);
  const prompt = promptOf(body);
  const source = sourceOf(context, account, body);
  admit(context, account, source?.model ?? DEFAULT_MODEL);
  return submit(context, account, { ...(source ? like(source) : uploaded()), prompt });
}

/** `POST /videos/extensions` (CreateVideoExtendJsonBody, …MultipartBody): the result is the whole video, including the source. */
export async function extend(context: OpenAiContext, request: FastifyRequest, account: Account) {
  const body = await readBody(request);
  onlyFields(body, ['prompt', 'video', 'seconds']);
  const prompt = promptOf(body);
  const added = Number(choiceOf(body, 'seconds', context.flavour.seconds));
  const source = sourceOf(context, account, body);
  admit(context, account, source?.model ?? DEFAULT_MODEL);
  const from = source ? like(source) : uploaded();
  const extensions = from.extensions + 1;
  const seconds = from.seconds + added;
  if (extensions > MOST_EXTENSIONS) {
    throw refusals.extensionLimit(`A video can be extended at most ${MOST_EXTENSIONS} times.`);
  }
  if (seconds > LONGEST_SECONDS) {
    throw refusals.extensionLimit(`An extended video can be at most ${LONGEST_SECONDS} seconds long.`);
  }
  return submit(context, account, { ...from, prompt, seconds, billedSeconds: added, extensions });
}

/** Whether the account may use the model now. */
function admit(context: OpenAiContext, account: Account, name: string): SoraModel {
  const model = MODELS[name];
  if (!model || context.settings.retired) throw context.flavour.refuses.modelNotFound(name);
  if (account.state === 'quota_exhausted') throw refusals.quota();
  if (account.state === 'overdue') throw refusals.hardLimit();
  if (account.state === 'forbidden') throw refusals.unverified(name);
  const limit = model.requestsPerMinute[Math.min(5, Math.max(1, context.settings.tier)) - 1] ?? 1;
  const wait = context.shared.limiter.take(`${context.name} ${account.name} ${name}`, {
    requests: limit,
    perMs: 60_000,
  });
  if (wait > 0) throw refusals.rateLimited(name, limit, retryAfterSeconds(wait));
  const { concurrent } = context.flavour;
  if (concurrent !== undefined && context.jobs.unfinished(account.name) >= concurrent) {
    throw refusals.tooManyRunning();
  }
  return model;
}

function submit(context: OpenAiContext, account: Account, request: NewVideo): VideoJob {
  if (planOf(request.prompt).ending === 'refused') throw refusals.moderation();
  const model = MODELS[request.model];
  if (!model) throw context.flavour.refuses.modelNotFound(request.model);
  const { prompt, seconds, size } = request;
  return context.jobs.submit({
    account: account.name,
    model: request.model,
    prompt,
    // Sora 2 always makes sound.
    video: { ...dimensions(size), seconds, audio: true },
    newId: context.flavour.newId,
    details: {
      size,
      seconds,
      remixedFrom: request.remixedFrom,
      billedSeconds: request.billedSeconds,
      usdPerSecond: model.sizes[size] ?? 0,
      extensions: request.extensions,
      keptMs: keptMs(context),
    },
  } satisfies JobRequest<VideoDetails>);
}

/** `video`: `{ id }`, or an upload, about which nothing is known. */
function sourceOf(context: OpenAiContext, account: Account, body: Body): VideoJob | undefined {
  const { video } = body;
  if (isUpload(video)) return undefined;
  if (!isObject(video) || typeof video.id !== 'string') throw refusals.missing('video');
  return completed(context, account, video.id);
}

function completed(context: OpenAiContext, account: Account, id: string): VideoJob {
  const source = findVideo(context, account, id);
  if (source.state !== 'succeeded') throw refusals.choice(ASSUMPTIONS.sourceNotReady);
  return source;
}

function like({ model, details }: VideoJob): Omit<NewVideo, 'prompt'> {
  const { size, seconds, extensions } = details;
  return { model, size, seconds, billedSeconds: seconds, remixedFrom: null, extensions };
}

function uploaded(): Omit<NewVideo, 'prompt'> {
  const seconds = Number(DEFAULT_SECONDS);
  return {
    model: DEFAULT_MODEL,
    size: DEFAULT_SIZE,
    seconds,
    billedSeconds: seconds,
    remixedFrom: null,
    extensions: 0,
  };
}

/** How long a result is kept, in the simulated time. */
export function keptMs(context: OpenAiContext): number {
  const { keptMs: ms } = context.flavour;
  return ms === undefined ? Number.POSITIVE_INFINITY : context.shared.clock.kept(ms);
}

export function dimensions(size: string): { width: number; height: number } {
  const [width = 0, height = 0] = size.split('x').map(Number);
  return { width, height };
}
