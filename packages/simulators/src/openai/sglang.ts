import type { FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { pace } from '../core/jobs/job.ts';
import { linkTo } from '../hosted/links.ts';
import { type Body, readBody } from './body.ts';
import type { OpenAiContext } from './context.ts';
import { errorAnswer } from './errors.ts';
import { dimensions } from './submit.ts';
import type { VideoJob } from './video.ts';

/** The model that the server was started with, from the example of SGLang's "OpenAI API" page. */
const SERVED_MODEL = 'Wan-AI/Wan2.1-T2V-1.3B-Diffusers';

/** `utils.py`: DEFAULT_FPS and DEFAULT_VIDEO_SECONDS. The size without one is the model's; this is that of Wan 2.1 1.3B. */
const FPS = 24;
const DEFAULT_SECONDS = '4';
const DEFAULT_SIZE = '832x480';

/** One scheduler works on one request, and the others wait. The times are a guess. */
const PLACES = 1;
/** Links are not signed and do not expire. Milliseconds. */
const LINK_MS = 10 * 365 * 86_400_000;
export const SGLANG_PACE = pace(60, 80, 0.01);

/**
 * `create_video` (sglang 0.5.23, `video_api.py`): a form, or JSON whose texts are converted. Unknown fields are ignored. `model` is not
 * checked, only repeated.
 */
export async function createSglang(
  context: OpenAiContext,
  request: FastifyRequest,
  account: Account,
): Promise<VideoJob> {
  const isForm = request.isMultipart();
  const body = await readBody(request);
  const { prompt, model = SERVED_MODEL } = body;
  if (typeof prompt !== 'string' || prompt === '')
    throw refused(isForm ? 'prompt is required' : 'Invalid request body: prompt Field required');
  const number = (name: string, fallback?: string) => wholeNumber(body, name, fallback, isForm);
  const size = typeof body.size === 'string' && body.size !== '' ? body.size : DEFAULT_SIZE;
  const { width, height } = dimensions(size);
  // `_parse_size_or_raise`.
  if (!(width > 0 && height > 0)) throw refused('size must be formatted as positive WIDTHxHEIGHT');
  const wanted = number('seconds', DEFAULT_SECONDS) ?? 0;
  const frames = alignedFrames(number('num_frames') ?? FPS * wanted);
  const seed = number('seed');
  const seconds = Math.max(1, Math.round(frames / FPS));
  return context.jobs.submit({
    account: account.name,
    model: String(model),
    prompt,
    video: { width: width & ~1, height: height & ~1, seconds, audio: false },
    pool: { name: 'gpu', places: PLACES },
    newId: context.flavour.newId,
    ...(seed === undefined ? {} : { seed }),
    details: {
      size: `${width}x${height}`,
      seconds,
      remixedFrom: null,
      billedSeconds: seconds,
      usdPerSecond: 0,
      extensions: 0,
      keptMs: Number.POSITIVE_INFINITY,
    },
  });
}

/** `adjust_num_frames`: one frame more than a multiple of four, for the VAE of Wan. */
const alignedFrames = (frames: number): number => 1 + 4 * Math.floor((frames - 1) / 4);

function wholeNumber(body: Body, name: string, fallback: string | undefined, isForm: boolean) {
  const value = body[name] ?? fallback;
  if (value === undefined || value === '') return undefined;
  const number = Number(value);
  if (Number.isInteger(number)) return number;
  const words = 'Input should be a valid integer, unable to parse string as an integer';
  if (!isForm) throw refused(`Invalid request body: ${name} ${words}`);
  // FastAPI's own check of a form.
  throw new Refusal({
    status: 422,
    body: { detail: [{ type: 'int_parsing', loc: ['body', name], msg: words, input: value }] },
  });
}

const refused = (message: string): Refusal => new Refusal(errorAnswer(400, { message }));

/** FastAPI's form of an error, with a sentence. */
export function sglangAnswer(answer: Answer): Answer {
  const { error } = answer.body as { error?: { message: string } };
  return error ? { ...answer, body: { detail: error.message } } : answer;
}

/**
 * `protocol.py`, VideoResponse: no prompt, and the link of a video that went to cloud storage (SGLANG_CLOUD_STORAGE_TYPE), which has no
 * other copy then. `seconds` and `size` are those of the video that is made.
 */
export function extendSglang(
  { prompt: _prompt, ...resource }: Record<string, unknown>,
  job: VideoJob,
  context: OpenAiContext,
): Record<string, unknown> {
  const done = job.state === 'succeeded';
  const { cloudStorage } = context.settings;
  const took =
    job.endedAt === undefined || job.startedAt === undefined ? null : (job.endedAt - job.startedAt) / 1000;
  return {
    ...resource,
    quality: 'standard',
    expires_at: null,
    error: job.state === 'failed' ? { message: 'the worker failed' } : null,
    url: done && cloudStorage ? linkTo(context, job, LINK_MS) : null,
    file_path: done && !cloudStorage ? `/sglang/outputs/${job.ownId}.mp4` : null,
    inference_time_s: done ? took : null,
  };
}
