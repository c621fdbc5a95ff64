import { z } from 'zod';

const unixSeconds = z.int().describe('Unix seconds');

/** OpenAI's API description, schema VideoResource. */
export const Video = z.object({
  id: z
    .string()
    .describe('`video_` and 32 hex digits: the `task_id` of the same task')
    .meta({
      examples: ['video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f'],
    }),
  object: z.literal('video'),
  model: z.string(),
  status: z.enum(['queued', 'in_progress', 'completed', 'failed']),
  progress: z.int().min(0).max(100),
  created_at: unixSeconds,
  completed_at: unixSeconds.nullable(),
  expires_at: unixSeconds.nullable().describe('When the video is deleted here'),
  seconds: z.string().describe('As it is made: what the model rounds is rounded here'),
  size: z.string().describe('Width x height in pixels, as it is made'),
  prompt: z.string().nullable(),
  remixed_from_video_id: z.string().nullable(),
  error: z
    .object({
      code: z.string().describe('`moderation_blocked`, `video_generation_failed`, or a `reason` of ours'),
      message: z.string(),
    })
    .nullable(),
});

export const VideoPage = z.object({
  object: z.literal('list'),
  data: z.array(Video),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

export const DeletedVideo = z.object({
  id: z.string(),
  object: z.literal('video.deleted'),
  deleted: z.literal(true),
});

export const VideoErrorAnswer = z.object({
  error: z.object({
    message: z.string().describe('One sentence that says what to do'),
    type: z.string(),
    param: z.string().nullable().describe('The field at fault'),
    code: z.string().nullable(),
  }),
});

/** Errors that any call may answer with, for the OpenAPI document. */
export const VIDEO_ERRORS = {
  400: VideoErrorAnswer.describe('The request is wrong; `param` names the field'),
  401: VideoErrorAnswer.describe('The key is missing or wrong'),
  404: VideoErrorAnswer.describe('No such video in your project'),
} as const;

const prompt = z.string().describe('What the video shows');
const model = z.string().describe('A model id of the catalogue: `GET /v1/models`');
const seconds = z.union([z.string(), z.int()]).describe('What the model can make');
const file = z.file();
const video = z
  .union([z.object({ id: z.string() }), file])
  .describe(
    'A finished video of yours; or if the model takes one, a file, in the form or by the `id` of an uploaded one: `model` is then required',
  );
const otherModel = model.describe('Not in OpenAI’s API: another model than that of the video').optional();

export const CreateBody = z
  .object({
    model: model.default('sora-2'),
    prompt,
    seconds: seconds.nullish(),
    size: z.string().nullish().describe('Width x height in pixels'),
    input_reference: z
      .union([
        file,
        z.object({ image_url: z.string() }).describe('A URL or a data URL'),
        z.object({ file_id: z.string() }).describe('The id of a file of `POST /v1/files`'),
      ])
      .nullish()
      .describe('The first frame'),
  })
  .meta({ examples: [{ model: 'onetake-preview', prompt: 'a paper boat', seconds: '4', size: '1280x720' }] });
export const RemixBody = z.object({ prompt, model: otherModel });
export const EditBody = z.object({ prompt, video, model: otherModel });
export const ExtendBody = z.object({ prompt, video, seconds, model: otherModel });
