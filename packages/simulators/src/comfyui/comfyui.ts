import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Account } from '../core/accounts.ts';
import { defineUpstream } from '../core/defineUpstream.ts';
import { type Answer, Refusal } from '../core/http/answer.ts';
import { sendBytes } from '../core/http/sendBytes.ts';
import { isOver, type Job } from '../core/jobs/job.ts';
import type { Upstream, UpstreamContext } from '../core/upstream.ts';
import { ASSUMPTIONS } from '../hosted/assumptions.ts';
import { bodyOf, credential, operation } from '../hosted/request.ts';
import { readWorkflow, refused, type Workflow } from './workflow.ts';

interface Details {
  /** Its place in the order of the queue. */
  readonly number: number;
  readonly workflow: Workflow;
  readonly saving: string;
  readonly file: OutputFile;
}
interface OutputFile {
  readonly filename: string;
  readonly subfolder: string;
  readonly type: 'output';
}
type Settings = Readonly<Record<never, never>>;
type Context = UpstreamContext<Settings, Details>;
type ComfyJob = Job<Details>;

/** `jobs.py`, JobStatus. A pending job that is cancelled leaves the queue, and is nowhere then. */
const STATUSES = {
  queued: 'pending',
  running: 'in_progress',
  succeeded: 'completed',
  failed: 'failed',
  cancelled: 'cancelled',
  expired: 'failed',
} as const;

/**
 * ComfyUI: `POST /prompt`, `GET /api/jobs/{id}`, `POST /api/jobs/{id}/cancel`, `GET /queue`, `/history/{id}` and `/view` (`server.py`,
 * `execution.py`, `comfy_execution/jobs.py` of Comfy-Org/ComfyUI, October 2026). The server checks no key; this one does, as a proxy in
 * front of it would. Nothing is billed.
 */
export const comfyui: Upstream = defineUpstream<Settings, Details>({
  name: 'comfyui',
  title: 'ComfyUI (self-hosted)',
  settings: {},
  // A graph judges no content.
  endings: {
    refused: 'failure',
    moderation: 'failure',
    filtered: 'failure',
    partial: 'failure',
    expiry: 'failure',
  },
  keyOf: (account) => `comfyui-simulated-${account}`,
  credentialOf: (headers) => credential(headers, 'Bearer'),
  routes,
  paceOf: () => ASSUMPTIONS.comfyui.pace,
  bill: () => undefined,
  environment: (origin, key) => ({ COMFYUI_BASE_URL: origin, COMFYUI_API_KEY: key }),
  answers: {
    rateLimited: () => plain(429),
    unavailable: plain,
    // aiohttp's own.
    notFound: () => plain(404),
    unreadable: () => plain(500),
  },
});

/** aiohttp answers errors that no handler makes with the status and its name as text. */
function plain(status: number): Answer {
  const names: Readonly<Record<number, string>> = { 404: 'Not Found', 500: 'Internal Server Error' };
  return {
    status,
    body: `${status}: ${names[status] ?? 'Error'}`,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
  };
}

const told = (status: number, error: string): Refusal => new Refusal({ status, body: { error } });

async function routes(app: FastifyInstance, context: Context): Promise<void> {
  await app.register(multipart);
  const uploads = new Set<string>();

  app.post('/prompt', operation('submit'), async (request) => {
    const job = submit(context, authenticate(context, request), request, uploads);
    context.notes.about(request, job);
    return { prompt_id: job.id, number: job.details.number, node_errors: {} };
  });

  // `get_job_by_id`.
  app.get<{ Params: { id: string } }>('/api/jobs/:id', operation('poll'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    if (!job) throw told(404, 'Job not found');
    context.notes.about(request, job);
    return jobView(context, job);
  });

  // `cancel_job_by_id`: never an error, whatever became of the job.
  app.post<{ Params: { id: string } }>('/api/jobs/:id/cancel', operation('cancel'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    if (!job || isOver(job)) return { cancelled: false };
    context.notes.about(request, job);
    if (job.state === 'queued') context.jobs.remove(job);
    else context.jobs.cancel(job);
    return { cancelled: true };
  });

  app.get<{ Params: { id: string } }>('/history/:id', operation('poll'), async (request) => {
    const job = named(context, authenticate(context, request), request.params.id);
    return job && isOver(job) ? { [job.id]: historyOf(context, job) } : {};
  });

  app.get('/queue', operation('list'), async (request) => {
    const { name } = authenticate(context, request);
    const inState = (state: ComfyJob['state']) =>
      context.jobs.all().filter((job) => job.account === name && job.state === state);
    return {
      queue_running: inState('running').map(queueItem),
      queue_pending: inState('queued').map(queueItem),
    };
  });

  // `upload_image`: another file of the same name gets a number.
  app.post('/upload/image', operation('other'), async (request) => {
    authenticate(context, request);
    let name: string | undefined;
    for await (const part of request.parts()) {
      if (part.type === 'file') await part.toBuffer();
      if (part.type === 'file' && part.fieldname === 'image') name = part.filename;
    }
    if (!name) throw new Refusal(plain(400));
    uploads.add(name);
    return { name, subfolder: '', type: 'input' };
  });

  app.get<{ Querystring: Record<string, string> }>('/view', operation('download'), async (request, reply) => {
    const account = authenticate(context, request);
    const { filename, subfolder = '', type = 'output' } = request.query;
    // `view_image`.
    if (!filename || filename.startsWith('/') || filename.includes('..')) throw new Refusal(plain(400));
    const job = context.jobs
      .all()
      .find(
        ({ account: owner, state, details: { file } }) =>
          owner === account.name &&
          state === 'succeeded' &&
          file.filename === filename &&
          file.subfolder === subfolder &&
          file.type === type,
      );
    const bytes = job && (await context.resultOf(job));
    if (!job || !bytes) throw new Refusal(plain(404));
    context.notes.about(request, job);
    return sendBytes(request, reply, bytes, { contentType: 'video/mp4', ranges: true });
  });
}

function authenticate(context: Context, request: FastifyRequest): Account {
  const account = context.accountOf(request);
  if (account?.state !== 'active') throw told(401, 'Unauthorized');
  return account;
}

function named(context: Context, { name }: Account, id: string): ComfyJob | undefined {
  const job = context.jobs.find(id);
  return job?.account === name ? job : undefined;
}

/** `validate_job_id`. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function submit(
  context: Context,
  account: Account,
  request: FastifyRequest,
  uploads: ReadonlySet<string>,
): ComfyJob {
  const { prompt: workflow, prompt_id: id } = bodyOf(request);
  if (typeof workflow !== 'object' || workflow === null)
    throw refused('no_prompt', 'No prompt provided', 'No prompt provided');
  if (id !== undefined && id !== null && !(typeof id === 'string' && UUID.test(id)))
    throw refused(
      'invalid_prompt_id',
      'prompt_id must be a valid UUID',
      'prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one',
    );
  const asked = readWorkflow(workflow as Workflow);
  if (asked.image !== undefined && !uploads.has(asked.image))
    throw refused(
      'prompt_outputs_failed_validation',
      'Prompt outputs failed validation',
      `Custom validation failed for node: image - Invalid image file: ${asked.image}`,
    );
  // The server would run it again and then know only the later one.
  const known = typeof id === 'string' ? named(context, account, id) : undefined;
  if (known) return known;
  const number = context.jobs.all().length;
  return context.jobs.submit({
    account: account.name,
    model: 'workflow',
    prompt: asked.prompt,
    video: asked.video,
    seed: asked.seed,
    newId: (random) => (typeof id === 'string' ? id : random.uuid()),
    // One prompt is executed at a time.
    pool: { name: 'queue', places: 1 },
    details: {
      number,
      workflow: workflow as Workflow,
      saving: asked.saving,
      file: fileOf(asked.prefix),
    },
  });
}

/** `get_save_image_path`: the prefix may have folders, and the first file of a name has the number 1. */
function fileOf(prefix: string): OutputFile {
  const parts = prefix.split('/');
  return { filename: `${parts.pop()}_00001_.mp4`, subfolder: parts.join('/'), type: 'output' };
}

/** `PreviewVideo`: videos are among the images. */
const outputsOf = ({ state, details: { saving, file } }: ComfyJob) =>
  state === 'succeeded' ? { [saving]: { images: [file], animated: [true] } } : {};

/** `normalize_queue_item`, `normalize_history_item`. Times are milliseconds; those of the execution are known once it is over. */
function jobView(context: Context, job: ComfyJob): Record<string, unknown> {
  const { id, state, details } = job;
  const view = {
    id,
    status: STATUSES[state],
    priority: details.number,
    create_time: context.timeShown(job.createdAt),
    outputs_count: state === 'succeeded' ? 1 : 0,
    workflow: { prompt: details.workflow, extra_data: {} },
  };
  if (!isOver(job)) return view;
  return {
    ...view,
    execution_start_time: context.timeShown(job.startedAt ?? job.createdAt),
    execution_end_time: context.timeShown(job.endedAt ?? job.createdAt),
    ...(state === 'failed' || state === 'expired' ? { execution_error: executionError(job) } : {}),
    ...(state === 'succeeded'
      ? { preview_output: { ...details.file, nodeId: details.saving, mediaType: 'images' } }
      : {}),
    outputs: outputsOf(job),
    execution_status: statusOf(context, job),
  };
}

const executionError = ({ id }: ComfyJob) => ({
  prompt_id: id,
  node_id: '3',
  node_type: 'KSampler',
  exception_message: 'Allocation on device 0 would exceed allowed memory. (out of memory)',
  exception_type: 'torch.OutOfMemoryError',
  traceback: [],
});

function statusOf(context: Context, job: ComfyJob) {
  const isDone = job.state === 'succeeded';
  const timestamp = context.timeShown(job.endedAt ?? job.createdAt);
  const end = isDone
    ? ['execution_success', { prompt_id: job.id, timestamp }]
    : job.state === 'cancelled'
      ? ['execution_interrupted', { prompt_id: job.id, timestamp }]
      : ['execution_error', { ...executionError(job), timestamp }];
  const start = context.timeShown(job.startedAt ?? job.createdAt);
  return {
    status_str: isDone ? 'success' : 'error',
    completed: isDone,
    messages: [['execution_start', { prompt_id: job.id, timestamp: start }], end],
  };
}

const historyOf = (context: Context, job: ComfyJob) => ({
  prompt: queueItem(job),
  outputs: outputsOf(job),
  status: statusOf(context, job),
});

/** `[number, prompt_id, prompt, extra_data, outputs_to_execute]`. */
const queueItem = ({ id, details: { number, workflow, saving } }: ComfyJob) => [
  number,
  id,
  workflow,
  {},
  [saving],
];
