import { z } from 'zod';
import { type Field, SPELLINGS } from '../catalogue/fields.ts';
import { IMAGE_FITS } from '../catalogue/imageLimits.ts';
import { SCOPES } from '../store/projects.ts';
import { DELIVERY_STATES, DISABLED_REASONS, SIGNATURES, TEST_EVENT } from '../store/webhooks.ts';
import { EVENT_TYPES } from '../tasks/events.ts';
import { MICROS } from '../tasks/money.ts';
import { ASPECT_RATIOS, REFERENCE_TYPES, RESOLUTIONS } from '../tasks/request.ts';

/**
 * The wire contract as schemas. They generate the OpenAPI document, and the contract tests check answers against them. A submit is
 * checked by `catalogue/validate/` instead, because what is allowed depends on the model.
 */

const taskId = z
  .string()
  .describe('`video_` and 32 hex digits, as the submit answered')
  .meta({ examples: ['video_019aa3c55bd97c8e8d4f1b2a3c4d5e6f'] });
/** A number in a query. A value that is none is answered with what is allowed. */
export function queryNumber({ min, max, example, whole = false, hint }: QueryNumber) {
  const expected = `expected a ${whole ? 'whole ' : ''}number from ${min} to ${max}, such as ${example}`;
  const error = hint === undefined ? expected : `${expected}; ${hint}`;
  const number = z.number({ error }).min(min, { error }).max(max, { error });
  // Not `z.coerce`, for which an empty text is 0.
  const read = (text: unknown) => (/^-?\d+(\.\d+)?$/.test(String(text)) ? Number(text) : text);
  return z.preprocess(read, whole ? number.int({ error }) : number);
}

interface QueryNumber {
  readonly min: number;
  readonly max: number;
  readonly example: number;
  readonly whole?: boolean;
  /** What to do instead of giving a number beyond the limits. */
  readonly hint?: string;
}

/** A text in a query, which a caller is told an example of if it is missing or empty. */
export const queryText = (what: string, example: string) => {
  const error = `expected ${what}, such as ${example}`;
  return z.string({ error }).min(1, { error });
};

const status = z.enum(['queued', 'in_progress', 'succeeded', 'failed']);
const unixSeconds = z
  .int()
  .describe('Unix seconds')
  .meta({ examples: [1_795_617_056] });

/** A description with the aliases of the field. */
function described(field: Field, text = ''): string {
  const aliases = SPELLINGS[field].slice(1).map((alias) => `\`${alias}\``);
  if (aliases.length === 0) return text;
  const listed = `${aliases.length === 1 ? 'Alias' : 'Aliases'}: ${aliases.join(', ')}`;
  return text === '' ? listed : `${text}. ${listed}`;
}

const ReferenceBody = z
  .object({
    type: z.enum(REFERENCE_TYPES),
    role: z
      .string()
      .optional()
      .describe(
        'What it is for: `source` is the video to edit, `first_clip` the one to continue. Without: a reference',
      ),
    url: z.string().optional().describe('A public URL'),
    data: z.string().optional().describe('The bytes: data URL or base64'),
    file_id: z.string().optional().describe('The id of a file of `POST /v1/files`. Alias: `fileId`'),
    video_id: z
      .string()
      .optional()
      .describe('The id of a finished task of yours, whose video it is. Alias: `videoId`'),
  })
  .describe('With exactly one of `url`, `data`, `file_id` and `video_id`');

/** Has every field of `SPELLINGS`. */
export const SubmitBody = z
  .object({
    model: z
      .string()
      .describe('A model id of the catalogue: `GET /v1/models`')
      .meta({ examples: ['onetake-preview'] }),
    prompt: z
      .string()
      .describe('What the video shows')
      .meta({ examples: ['a paper boat on a rainy street'] }),
    negative_prompt: z.string().nullish().describe(described('negativePrompt', 'What to avoid')),
    duration: z
      .union([z.number(), z.string()])
      .nullish()
      .describe(
        described(
          'duration',
          'Seconds, as a number or a numeric string. -1 lets the model decide, if it can; then the price of its longest video is held',
        ),
      ),
    resolution: z.enum(RESOLUTIONS).nullish(),
    aspect_ratio: z.enum(ASPECT_RATIOS).nullish().describe(described('aspectRatio')),
    size: z
      .string()
      .nullish()
      .describe(
        '`1280x720` or `1280*720`: an alternative to `resolution` and `aspect_ratio`; a contradiction is an error',
      ),
    image: z
      .string()
      .nullish()
      .describe(
        described('image', 'First frame: URL, data URL, base64 or the id of a file of `POST /v1/files`'),
      ),
    last_frame: z
      .string()
      .nullish()
      .describe(described('lastFrame', 'Last frame in the same forms, if the model accepts one')),
    references: z
      .array(ReferenceBody)
      .nullish()
      .describe(
        'Images, videos and sounds that guide the video, in the order in which the prompt names them. The catalogue lists the types, roles and limits of a model',
      ),
    reference_images: z
      .array(z.string())
      .nullish()
      .describe(
        described(
          'referenceImages',
          'The short form of `references` for images without a role: URL, data URL, base64 or the id of a file',
        ),
      ),
    image_fit: z
      .enum(IMAGE_FITS)
      .nullish()
      .describe(
        described(
          'imageFit',
          'What becomes of an image that breaks the limits of the model: `error` (default) refuses the request; `cover` scales the image and cuts off its edges; `contain` scales it and adds black bars. The notes say what was done',
        ),
      ),
    video_url: z
      .string()
      .nullish()
      .describe(
        described(
          'videoUrl',
          'Source video: remix, extension. The id of a finished task of yours or a link to its video; some models also take any other URL, and those that edit videos the id of a file',
        ),
      ),
    generate_audio: z.boolean().nullish().describe(described('generateAudio', 'Synchronised audio')),
    seed: z
      .int()
      .nullish()
      .describe('The same seed and request give the same video, if the model supports it'),
    style: z.string().nullish(),
    camera_fixed: z.boolean().nullish().describe(described('cameraFixed')),
    watermark: z.boolean().nullish(),
    prompt_extend: z.boolean().nullish().describe(described('promptExtend')),
    person_generation: z.string().nullish().describe(described('personGeneration')),
    max_cost: z
      .union([z.number(), z.string()])
      .nullish()
      .describe(
        described(
          'maxCost',
          'The most that the video may cost, in the currency of the model, as a number or a decimal string. If its price is higher, the answer is a 400 that says the price',
        ),
      ),
    metadata: z
      .record(z.string(), z.string())
      .nullish()
      .describe(
        'Up to 16 string pairs, given back unchanged. They are your own notes and never reach a model: parameters are fields of the body',
      ),
    webhook_url: z
      .string()
      .nullish()
      .describe(
        described(
          'webhookUrl',
          "Where the end of the task is announced: a public URL. Signed with the project's secret (`GET /v1/webhook_secret`)",
        ),
      ),
    provider_options: z
      .record(z.string(), z.unknown())
      .nullish()
      .describe(
        described(
          'providerOptions',
          "Raw upstream parameters, passed through to the model's provider only. One that would not reach it, or would contradict what the gateway sends itself, is a 400 that names it",
        ),
      ),
  })
  .describe(
    'The catalogue lists what a model accepts, and the request is checked against it before the task is accepted. Unknown fields are refused; `null` is the same as leaving a field out.',
  )
  // The reference page shows and sends this example. Its generated one would have every field at once, which no model accepts.
  .meta({
    examples: [{ model: 'onetake-preview', prompt: 'a paper boat on a rainy street', duration: 4 }],
  });

export const SubmitAnswer = z.object({
  task_id: taskId,
  status: z.literal('queued'),
  format: z.literal('mp4'),
  created_at: unixSeconds,
  model: z.string(),
  notes: z
    .array(z.string())
    .optional()
    .describe('What was rounded, redirected or fitted to what the upstream accepts'),
});

export const TaskAnswer = z.object({
  task_id: taskId,
  status,
  format: z
    .literal('mp4')
    .describe('A video in another container is remuxed without loss; if that is impossible, the task fails'),
  url: z
    .url()
    .optional()
    .describe('The video, once succeeded. Absent for the Sora 2 family, which uses the download endpoint'),
  error: z
    .object({
      code: z
        .int()
        .describe(
          '400 refused upstream, 402 upstream quota exhausted, 408 upstream timed out, 410 its model has ended since, 429 upstream rate limit outlasted every retry, 499 cancelled, 500 ours, 502 upstream failed, 504 expired upstream',
        ),
      message: z.string(),
      reason: z
        .string()
        .describe(
          '`result_lost`: the video was made, but could not be fetched completely; `result_unusable`: the upstream delivered no video that can be served as MP4',
        ),
    })
    .optional(),
  model: z.string(),
  created_at: unixSeconds,
  started_at: unixSeconds
    .optional()
    .describe(
      'When the upstream began to work on the video, by its own account; if it does not tell, when the gateway learnt of it',
    ),
  completed_at: unixSeconds
    .optional()
    .describe(
      'When the upstream was done, by its own account; if it does not tell, when the task ended here',
    ),
  expires_at: unixSeconds.optional().describe('When the video is deleted here'),
  progress: z.int().min(0).max(100).optional(),
  eta: z.int().optional().describe('Seconds until the task is expected to be done'),
  waiting_for: z
    .enum(['account_limit', 'account_blocked', 'project_limit'])
    .optional()
    .describe('What the task waits for before it is submitted upstream, if known'),
  waiting_reason: z.string().optional().describe('The same in a sentence'),
  retry_at: unixSeconds.optional().describe('When an account that is blocked is tried again'),
  cancel_requested: z.literal(true).optional(),
  duration: z
    .number()
    .optional()
    .describe(
      'Seconds: as measured in the file once succeeded, as requested until then. Absent until then if the model decides',
    ),
  resolution: z.string(),
  aspect_ratio: z.string(),
  size: z.string().describe('Width x height in pixels'),
  bytes: z.int().optional(),
  video_codec: z.string().optional(),
  audio_codec: z.string().optional(),
  content_credentials: z
    .enum(['present', 'absent'])
    .optional()
    .describe(
      'Whether the video has content credentials (C2PA), once succeeded. They are served as the provider made them, and their validity is not checked',
    ),
  thumbnail_url: z
    .url()
    .optional()
    .describe('The poster frame. It is made once the task has succeeded; a request for it waits until then'),
  usage: z.object({ seconds: z.number(), cost: z.number(), currency: z.string() }).optional(),
  metadata: z.record(z.string(), z.string()).optional(),
  notes: z
    .array(z.string())
    .optional()
    .describe('The notes of the submit, and what happened to the video that its maker did not intend'),
});

/** The data of an event of a project. */
export const EventData = z.object({
  id: z.string().describe('The same each time that the event is sent. Drop events that you have seen'),
  type: z.enum(EVENT_TYPES),
  timestamp: z.iso.datetime().describe('When it happened'),
  data: TaskAnswer.describe('What a query answered right after the event, with fresh links'),
  api: z
    .enum(['openai'])
    .optional()
    .describe(
      "Only in streams, of a video that was made through OpenAI's API: its webhook is in the words of that",
    ),
});
export const ResetData = z.object({
  reason: z.enum(['unknown', 'too_old']),
  message: z.string(),
});

export const TaskList = z.object({
  object: z.literal('list'),
  data: z.array(TaskAnswer),
  has_more: z.boolean(),
  next_cursor: z.string().optional().describe('Pass it as `after` to get the next page'),
});

export const DownloadAnswer = z.object({
  success: z.literal(true),
  generation_id: z.string(),
  task_id: taskId,
  format: z.literal('mp4'),
  size: z.int().describe('Bytes'),
  base64: z.string(),
  data_url: z.string(),
});

export const ErrorAnswer = z.object({
  error: z.object({
    code: z.int().describe('The HTTP status'),
    message: z.string().describe('One sentence that says what to do'),
    reason: z.string(),
    param: z.string().optional().describe('The field at fault'),
    status: status.optional().describe('The status of the task, if the error is about it'),
    task_error: z
      .object({ code: z.int(), reason: z.string(), message: z.string() })
      .optional()
      .describe('Why the task failed, if that is why there is no video'),
    request_id: z.string(),
  }),
});

const partStates = z.record(z.string(), z.string());
const warnings = partStates
  .optional()
  .describe(
    'Problems that an operator should fix although tasks are accepted, by part; absent if there are none',
  );

export const ReadyAnswer = z.object({
  status: z.literal('ready'),
  parts: partStates.describe('The parts that the gateway needs, each `ok`'),
  warnings,
  unfinished_tasks: z.int().describe('Tasks that this node drives'),
});

export const NotReadyAnswer = z.object({
  ...ErrorAnswer.shape,
  status: z.literal('not_ready'),
  parts: partStates.optional().describe('Each `ok`, or what is wrong; not checked while the gateway stops'),
  warnings,
  unfinished_tasks: z.int().describe('Tasks that this node drives'),
});

/** Whatever is missing or null has no limit. */
/** An amount that micro-units can express: one that they cannot would be stored as another. */
const budget = () =>
  z
    .number()
    .min(0)
    .max(1e9)
    .refine((amount) => Math.round(amount * MICROS) / MICROS === amount, 'expected at most six decimals');

export const LimitsView = z.strictObject({
  requests_per_minute: z.int().min(1).nullish(),
  tasks_in_flight: z.int().min(1).nullish().describe('Unfinished tasks at a time'),
  daily_budget: budget().nullish().describe('What the tasks of a UTC day may cost, in units of the currency'),
  monthly_budget: budget()
    .nullish()
    .describe('What the tasks of a UTC month may cost, in units of the currency'),
});

export const KeyView = z.object({
  id: z.string(),
  name: z.string(),
  project: z.string(),
  prefix: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  models: z.array(z.string()).optional().describe('Absent: all'),
  limits: LimitsView.optional(),
  default_metadata: z.record(z.string(), z.string()).optional(),
  created_at: unixSeconds,
  expires_at: unixSeconds.optional(),
  revoked_at: unixSeconds.optional(),
  replaced_by: z.string().optional().describe('The key that it was rotated to'),
});

export const CreatedKey = KeyView.extend({ key: z.string() });
export const RotatedKey = CreatedKey.extend({ former: KeyView });

export const ProjectView = z.object({
  id: z.string(),
  name: z.string(),
  limits: LimitsView.optional(),
  default_metadata: z.record(z.string(), z.string()).optional(),
  created_at: unixSeconds,
  archived_at: unixSeconds.optional().describe('Since then it takes no new tasks'),
});

/** What a project or a key uses of its limits. */
export const UseView = z
  .object({
    tasks_in_flight: z.int(),
    day: z.number().describe('What the tasks that were accepted on this UTC day cost or may cost'),
    month: z.number().describe('The same of this UTC month'),
    currency: z.string().describe('That of budgets'),
  })
  .describe('What it uses at the moment, whether that is limited or not');

export const AuditView = z.object({
  id: z.string(),
  at: unixSeconds,
  actor: z.string().describe('A key id, or `cli`, `bootstrap` or `first-start`'),
  action: z.string(),
  subject: z.string().describe('The id of what was changed'),
  detail: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('What is new has its settings here, and what was changed pairs of before and after'),
});

export const AuditList = z.object({
  object: z.literal('list'),
  data: z.array(AuditView),
  has_more: z.boolean(),
  next_cursor: z.string().optional(),
});

export const EndpointView = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(z.enum(EVENT_TYPES)).optional().describe('Absent: all'),
  models: z.array(z.string()).optional().describe('Absent: all'),
  signature: z.enum(SIGNATURES),
  status: z.enum(['enabled', 'disabled']),
  disabled_reason: z
    .enum(DISABLED_REASONS)
    .optional()
    .describe('`requested`: by a PATCH. `gone`: it answered 410'),
  description: z.string().optional(),
  created_at: unixSeconds,
});

const shownSecret = {
  secret: z.string().optional().describe('`whsec_…`, of `hmac`'),
  public_key: z.string().optional().describe('`whpk_…`, of `ed25519`. The private key stays in the gateway'),
};

export const SecretView = z.object({
  signature: z.enum(SIGNATURES),
  ...shownSecret,
  former: z
    .object({ ...shownSecret, valid_until: unixSeconds })
    .optional()
    .describe('The one before, while messages are signed with it as well'),
});

export const DeliveryAnswer = z.object({
  id: z.string(),
  event_id: z.string().describe('The `webhook-id` of the message'),
  type: z.enum([...EVENT_TYPES, TEST_EVENT]),
  endpoint_id: z.string().optional().describe('Absent if it goes to the `webhook_url` of the task'),
  task_id: z.string().optional(),
  url: z.string(),
  state: z.enum(DELIVERY_STATES).describe('`dead`: it was not delivered and is not tried again by itself'),
  tries: z.int().describe('Tries that have ended'),
  next_try_at: unixSeconds.optional().describe('While it is pending'),
  tried_at: unixSeconds.optional().describe('The last try'),
  status: z.int().optional().describe('The HTTP status of its answer'),
  error: z
    .string()
    .optional()
    .describe(
      'Why it was not delivered, such as `timed_out`, `refused` (by its status), `redirected`, `gone`',
    ),
  latency_ms: z.int().optional(),
  answer: z.string().optional().describe('The first 1,024 bytes of the answer'),
  created_at: unixSeconds.describe('When the event happened'),
});

/** Errors that any call may answer with, for the OpenAPI document. */
export const ERRORS = {
  400: ErrorAnswer.describe('The request is wrong; `param` names the field'),
  401: ErrorAnswer.describe('The key is missing or wrong'),
  404: ErrorAnswer.describe('No such thing in your project'),
} as const;

/** What a key may be refused for when it submits (403 and 429), in any protocol. */
export const REFUSED_KEY =
  'The key lacks the scope `generate` or may not use the model, or its project is archived';
export const TOO_MUCH =
  'The key or its project has made its requests of the minute, or has as many unfinished tasks as it may have (see `Retry-After`), or there are too many large bodies at once';

/** Errors that any call about a single task may answer with. */
export const TASK_ERRORS = { ...ERRORS, 410: ErrorAnswer.describe('The task was deleted') } as const;
