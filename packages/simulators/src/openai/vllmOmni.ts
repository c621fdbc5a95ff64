import type { FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { pace } from '../core/jobs/job.ts';
import { readBody } from './body.ts';
import type { OpenAiContext } from './context.ts';
import { errorAnswer } from './errors.ts';
import { dimensions, keptMs } from './submit.ts';
import type { VideoJob } from './video.ts';

/** The model that the server was started with, from vLLM-Omni's own example. */
const SERVED_MODEL = 'Wan-AI/Wan2.2-T2V-A14B-Diffusers';

/** vLLM-Omni, `protocol/videos.py`: patterns of size and seconds, and their defaults. Width and height are the model's. */
const SIZE = /^\d+x\d+$/;
const SECONDS = /^[1-9]\d*$/;
const DEFAULT_SECONDS = '4';
const DEFAULT_SIZE = '832x480';
const DEFAULT_FPS = 24;

/** One GPU works on one job, and the others wait. The times are a guess. */
const PLACES = 1;
export const OMNI_PACE = pace(60, 80, 0.01);

/** `POST /v1/videos`: only multipart. Every field except the prompt is optional, and unknown fields are ignored. */
export async function createOmni(
  context: OpenAiContext,
  request: FastifyRequest,
  account: Account,
): Promise<VideoJob> {
  if (!request.isMultipart()) throw invalid('body', 'Field required');
  const body = await readBody(request);
  const text = (name: string): string | undefined => {
    const value = body[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const prompt = text('prompt');
  if (prompt === undefined) throw invalid('prompt', 'Field required');
  const size = matching('size', text('size') ?? sizeOf(text('width'), text('height')), SIZE);
  const seconds = Number(matching('seconds', text('seconds') ?? secondsOf(text), SECONDS));
  const { width, height } = dimensions(size);
  const seed = text('seed');
  return context.jobs.submit({
    account: account.name,
    model: text('model') ?? SERVED_MODEL,
    prompt,
    // x264 takes only even sizes, as vLLM-Omni's own encoder does.
    video: { width: width & ~1, height: height & ~1, seconds, audio: text('generate_sound') === 'true' },
    pool: { name: 'gpu', places: PLACES },
    newId: context.flavour.newId,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    details: {
      size,
      seconds,
      remixedFrom: null,
      billedSeconds: seconds,
      usdPerSecond: 0,
      extensions: 0,
      keptMs: keptMs(context),
    },
  });
}

function sizeOf(width: string | undefined, height: string | undefined): string {
  return width === undefined || height === undefined ? DEFAULT_SIZE : `${width}x${height}`;
}

/** `num_frames` at `fps` are another way to ask for a length. */
function secondsOf(text: (name: string) => string | undefined): string {
  const frames = text('num_frames');
  if (frames === undefined) return DEFAULT_SECONDS;
  return String(Math.max(1, Math.round(Number(frames) / Number(text('fps') ?? DEFAULT_FPS))));
}

function matching(field: string, value: string, pattern: RegExp): string {
  if (!pattern.test(value)) throw invalid(field, `String should match pattern '${pattern.source}'`);
  return value;
}

/** The refusal of a field by FastAPI's validation. */
function invalid(field: string, message: string): Refusal {
  return new Refusal(errorAnswer(400, { message: `${field}: ${message}`, param: field }));
}

/** vLLM's names of its errors, by status. `code` is the status itself. The messages of vLLM-Omni are not documented. */
const TYPES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'UnauthorizedError',
  404: 'NotFoundError',
};

export function omniAnswer(answer: Answer): Answer {
  // vLLM's check of `--api-key`.
  if (answer.status === 401) return { ...answer, body: { error: 'Unauthorized' } };
  const { error } = answer.body as { error: Record<string, unknown> };
  const type = TYPES[answer.status] ?? 'InternalServerError';
  return { ...answer, body: { error: { ...error, type, code: answer.status } } };
}

/** vLLM-Omni, `protocol/videos.py`, VideoResponse: its keys besides OpenAI's. */
export function extendOmni(resource: Record<string, unknown>, job: VideoJob): Record<string, unknown> {
  const done = job.state === 'succeeded';
  const inference =
    job.endedAt === undefined || job.startedAt === undefined ? null : (job.endedAt - job.startedAt) / 1000;
  return {
    ...resource,
    quality: 'default',
    media_type: 'video/mp4',
    file_name: done ? `${job.id}.mp4` : null,
    inference_time_s: done ? inference : null,
    stage_durations: {},
    peak_memory_mb: 0,
  };
}
