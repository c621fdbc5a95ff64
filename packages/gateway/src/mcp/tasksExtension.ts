import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  type McpServer,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { isTaskId } from '../tasks/ids.ts';
import { type CallApi, callJson, Refused } from './api.ts';
import {
  isFinished,
  readTask,
  summaryOf,
  type TaskOutput,
  type TaskState,
  taskPath,
  taskResult,
} from './tasks.ts';

/**
 * The extension for tasks: a call that takes long is answered with a handle, with which the client asks for the result. The handle is the id of
 * our own task, so it is valid after a restart, at every node, and for each key of the project.
 * https://github.com/modelcontextprotocol/ext-tasks/blob/main/specification/draft/tasks.md
 */
export const TASKS_EXTENSION = { 'io.modelcontextprotocol/tasks': {} };
const [NAME] = Object.keys(TASKS_EXTENSION) as [keyof typeof TASKS_EXTENSION];

type Request = Pick<ServerContext, 'mcpReq'>;

/** Whether the client declares the extension with this very request. No other declaration counts. */
export function takesTasks({ mcpReq }: Request): boolean {
  const envelope: Readonly<Record<string, unknown>> = mcpReq.envelope ?? {};
  const capabilities = envelope[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  return capabilities?.extensions?.[NAME] !== undefined;
}

/**
 * Answers a call of a tool with the handle of a task that goes on. It has the members of a result besides, because the schema of the tool
 * demands them.
 */
export const taskHandle = (state: TaskState): CallToolResult => ({
  ...taskOf(state),
  resultType: 'task',
  content: [{ type: 'text', text: summaryOf(state.task) }],
  structuredContent: state.task,
});

const iso = (seconds: number): string => new Date(seconds * 1000).toISOString();

/** The members that every answer about a task has. */
function taskOf({ task, retryAfter }: TaskState) {
  const {
    task_id: taskId,
    created_at: createdAt = Date.now() / 1000,
    started_at,
    completed_at,
    expires_at,
  } = task;
  return {
    taskId,
    status: statusOf(task),
    statusMessage: messageOf(task),
    createdAt: iso(createdAt),
    lastUpdatedAt: iso(completed_at ?? started_at ?? createdAt),
    // The time that a video is kept begins when it is there.
    ttlMs: expires_at === undefined ? null : (expires_at - createdAt) * 1000,
    ...(retryAfter === undefined ? {} : { pollIntervalMs: retryAfter * 1000 }),
  };
}

/** A video that failed is the result of its call, with `isError`. `failed` would say that the protocol has failed. */
function statusOf(task: TaskOutput): 'working' | 'completed' | 'cancelled' {
  if (!isFinished(task)) return 'working';
  return task.error?.reason === 'cancelled' ? 'cancelled' : 'completed';
}

function messageOf(task: TaskOutput): string {
  const { status, progress = 0, eta, waiting_reason: waiting } = task;
  if (isFinished(task)) return summaryOf(task);
  return [
    status,
    ...(waiting === undefined ? [] : [waiting]),
    ...(progress > 0 ? [`${progress}%`] : []),
    ...(eta === undefined ? [] : [`about ${eta} s are left`]),
  ].join(', ');
}

const TaskParams = z.looseObject({ taskId: z.string() });

/** Serves `tasks/get`, `tasks/update` and `tasks/cancel` to clients that declare the extension. */
export function serveTasks({ server }: McpServer, call: CallApi, stopping: AbortSignal | undefined): void {
  const serve = (
    method: string,
    answer: (taskId: string, request: Request) => Promise<Record<string, unknown>>,
  ): void =>
    server.setRequestHandler(method, { params: TaskParams }, async ({ taskId }, request) => {
      if (!takesTasks(request))
        throw new MissingRequiredClientCapabilityError(
          { requiredCapabilities: { extensions: TASKS_EXTENSION } },
          `${method} is for clients that declare the extension ${NAME} in the capabilities of each request.`,
        );
      return asProtocolErrors(() => answer(taskId, request));
    });

  serve('tasks/get', async (taskId, { mcpReq }) => {
    const state = await readTask(call, checked(taskId), mcpReq);
    const task = taskOf(state);
    if (task.status !== 'completed') return task;
    return { ...task, result: { ...(await taskResult(call, state.task, stopping)), resultType: 'complete' } };
  });

  // No task here asks for input, so whatever is answered was never asked for, and the extension wants that ignored.
  serve('tasks/update', async (taskId, { mcpReq }) => {
    if (mcpReq.inputResponses === undefined)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'tasks/update needs inputResponses.');
    await readTask(call, checked(taskId), mcpReq);
    return {};
  });

  serve('tasks/cancel', async (taskId) => {
    try {
      await callJson(call, { method: 'POST', path: `${taskPath(checked(taskId))}/cancel` });
    } catch (error) {
      // It has finished, or cannot be stopped: a wish that was heard all the same.
      if (!(error instanceof Refused && error.status === 409)) throw error;
    }
    return {};
  });
}

function checked(taskId: string): string {
  if (isTaskId(taskId)) return taskId;
  throw new Refused(
    404,
    `There is no task ${JSON.stringify(taskId.slice(0, 60))}; send a taskId that a call of a tool answered.`,
  );
}

/** What the gateway refuses, in the codes of the protocol. */
async function asProtocolErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new ProtocolError(codeOf(error.status), error.message);
  }
}

function codeOf(status: number): ProtocolErrorCode {
  if (status === 404 || status === 410) return ProtocolErrorCode.InvalidParams;
  return status < 500 && status !== 429 ? ProtocolErrorCode.InvalidRequest : ProtocolErrorCode.InternalError;
}
