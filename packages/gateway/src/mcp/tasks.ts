import { setTimeout as sleep } from 'node:timers/promises';
import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { bodyOf, type CallApi } from './api.ts';

const TASKS = '/v1/video/generations';

/** What a tool says of a task: the answer of a query of the HTTP API, which has more members. */
export const TaskOutput = z.looseObject({
  task_id: z.string(),
  status: z.enum(['queued', 'in_progress', 'succeeded', 'failed']),
  url: z.string().optional().describe('The video, once succeeded; valid for some hours'),
  progress: z.number().optional().describe('Percent'),
  eta: z.number().optional().describe('Seconds until it is expected to be done'),
  waiting_reason: z.string().optional().describe('Why it does not go on'),
  created_at: z.number().optional().describe('Unix time in seconds, as all times are'),
  started_at: z.number().optional(),
  completed_at: z.number().optional(),
  expires_at: z.number().optional().describe('When the video is deleted'),
  error: z.looseObject({ code: z.number(), message: z.string(), reason: z.string() }).optional(),
});
export type TaskOutput = z.output<typeof TaskOutput>;

/** A task as it is now. */
export interface TaskState {
  readonly task: TaskOutput;
  /** When to ask again; undefined once finished. Seconds. */
  readonly retryAfter?: number | undefined;
}

/** One query is held for so long, so that progress is told that often. Seconds. */
const SLICE_SECONDS = 5;
/** Between two queries, so that answers that come at once do not become a busy loop. Milliseconds. */
const PAUSE_MS = 250;

export const taskPath = (taskId: string): string => `${TASKS}/${encodeURIComponent(taskId)}`;

export const isFinished = ({ status }: Pick<TaskOutput, 'status'>): boolean =>
  status === 'succeeded' || status === 'failed';

/** Queries a task, for as long as `wait` says if it has not finished. */
export async function readTask(
  call: CallApi,
  taskId: string,
  { wait = 0, signal }: { readonly wait?: number; readonly signal: AbortSignal },
): Promise<TaskState> {
  const path = `${taskPath(taskId)}${wait > 0 ? `?wait=${wait}` : ''}`;
  const answer = await call({ method: 'GET', path, signal });
  return { task: TaskOutput.parse(bodyOf(answer)), retryAfter: answer.retryAfter };
}

/**
 * Queries a task until it has finished, for `seconds` at most, and tells the client of its progress if it wants to know. A client that
 * cancels the call stops the waiting, and not the task; so does `stopping`, of a gateway that stops.
 */
export async function waitFor(
  call: CallApi,
  taskId: string,
  seconds: number,
  { mcpReq, stopping }: Pick<ServerContext, 'mcpReq'> & { readonly stopping?: AbortSignal | undefined },
): Promise<TaskState> {
  const until = performance.now() + seconds * 1000;
  for (;;) {
    const left = Math.ceil((until - performance.now()) / 1000);
    const wait = Math.max(0, Math.min(SLICE_SECONDS, left));
    const state = await readTask(call, taskId, { wait, signal: mcpReq.signal });
    if (isFinished(state.task) || left <= 0 || stopping?.aborted) return state;
    await tellProgress(mcpReq, state.task);
    await sleep(PAUSE_MS);
  }
}

async function tellProgress(
  { _meta, notify }: ServerContext['mcpReq'],
  { progress = 0, status }: TaskOutput,
): Promise<void> {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return;
  await notify({
    method: 'notifications/progress',
    params: { progressToken, progress, total: 100, message: status },
  });
}

/** The result of a tool about one task: its answer, a link to the video, and its poster as an image. */
export async function taskResult(
  call: CallApi,
  task: TaskOutput,
  stopping?: AbortSignal,
): Promise<CallToolResult> {
  const { task_id: taskId, status, url } = task;
  const content: CallToolResult['content'] = [{ type: 'text', text: summaryOf(task) }];
  if (status === 'succeeded') {
    if (url !== undefined)
      content.push({ type: 'resource_link', uri: url, name: `${taskId}.mp4`, mimeType: 'video/mp4' });
    const poster = await posterOf(call, taskId, stopping);
    if (poster) content.push(poster);
  }
  return { content, structuredContent: task, ...(status === 'failed' ? { isError: true } : {}) };
}

/** The state of a task in one sentence. */
export function summaryOf({ task_id: id, status, url, error, eta }: TaskOutput): string {
  switch (status) {
    case 'succeeded':
      return url === undefined
        ? `${id} has succeeded. Download it with GET ${taskPath(id)}/content and the API key.`
        : `${id} has succeeded: ${url}`;
    case 'failed':
      return `${id} has failed: ${error?.message ?? 'the gateway does not say why'}`;
    default:
      return `${id} is ${status}${eta === undefined ? '' : `, about ${eta} s are left`}. It goes on by itself; call get_video with this task_id to see how it ends.`;
  }
}

/** A poster is made just after its video (409 until then). How often it is asked for, and the pause in between, milliseconds. */
const [POSTER_TRIES, POSTER_PAUSE_MS] = [10, 500];

/** Undefined if there is none: a video without its poster is a video all the same. */
async function posterOf(
  call: CallApi,
  taskId: string,
  stopping: AbortSignal | undefined,
): Promise<CallToolResult['content'][number] | undefined> {
  const path = `${taskPath(taskId)}/content?variant=thumbnail`;
  for (let tries = 0; tries < POSTER_TRIES && !stopping?.aborted; tries++) {
    const answer = await call({ method: 'GET', path }).catch(() => undefined);
    if (answer?.status === 200)
      return { type: 'image', mimeType: answer.contentType, data: answer.bytes.toString('base64') };
    if (answer?.status !== 409) return undefined;
    await sleep(POSTER_PAUSE_MS, undefined, stopping ? { signal: stopping } : {}).catch(() => undefined);
  }
  return undefined;
}
