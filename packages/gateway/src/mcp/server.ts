import { randomUUID } from 'node:crypto';
import { type CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { type CallApi, callJson, NotSent, Refused } from './api.ts';
import {
  CancelInput,
  GenerateInput,
  GetInput,
  ListInput,
  LONGEST_WAIT_SECONDS,
  ModelsInput,
} from './inputs.ts';
import { briefModels, ModelOutput } from './models.ts';
import { isFinished, TaskOutput, taskPath, taskResult, waitFor } from './tasks.ts';
import { serveTasks, TASKS_EXTENSION, takesTasks, taskHandle } from './tasksExtension.ts';

const INSTRUCTIONS =
  'Makes videos with AI models. Call list_models for what can be used here and what it costs, then generate_video. Videos take from seconds to many minutes: a task that is not done yet goes on by itself, and get_video waits for it.';

const ListOutput = z.looseObject({
  data: z.array(TaskOutput),
  has_more: z.boolean(),
  next_cursor: z.string().optional(),
});

/**
 * An MCP server for one client, whose tools call the gateway's API as `call` does. Tools that wait answer early once `stopping` is aborted.
 * The protocol of 2025 has no extensions, and other tasks.
 */
export function createMcpServer(
  call: CallApi,
  version: string,
  era: 'legacy' | 'modern',
  stopping?: AbortSignal,
): McpServer {
  const extensions = era === 'modern' ? { extensions: TASKS_EXTENSION } : {};
  const server = new McpServer(
    { name: 'onetake', title: 'Onetake', version },
    { capabilities: { tools: {}, ...extensions }, instructions: INSTRUCTIONS },
  );
  modelTool(server, call);
  generateTool(server, call, era, stopping);
  taskTools(server, call, stopping);
  if (era === 'modern') serveTasks(server, call, stopping);
  return server;
}

function modelTool(server: McpServer, call: CallApi): void {
  server.registerTool(
    'list_models',
    {
      title: 'List video models',
      description:
        'The models that can make videos here, with durations, resolutions, parameters and prices. `model`: everything about one of them.',
      inputSchema: ModelsInput,
      outputSchema: z.looseObject({
        models: z.array(z.union([ModelOutput, z.looseObject({ id: z.string() })])),
      }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ model, include_unavailable: all }) =>
      answering(async () => {
        const path = model === undefined ? '/v1/models' : `/v1/models/${encodeURIComponent(model)}`;
        const body = await callJson(call, { method: 'GET', path });
        return asText({ models: model === undefined ? briefModels(body.data, !all) : [body] });
      }),
  );
}

function generateTool(
  server: McpServer,
  call: CallApi,
  era: 'legacy' | 'modern',
  stopping: AbortSignal | undefined,
): void {
  server.registerTool(
    'generate_video',
    {
      title: 'Generate a video',
      description:
        'Makes a video and waits for it for up to wait_seconds. The answer has a link to the video and its poster; or the task_id of a task that is not done yet. It may cost money.',
      inputSchema: GenerateInput,
      outputSchema: TaskOutput,
      annotations: {
        readOnlyHint: false,
        destructiveHint: false,
        idempotentHint: false,
        openWorldHint: true,
      },
    },
    ({ wait_seconds: given, idempotency_key: key = randomUUID(), ...body }, context) =>
      answering(async () => {
        const asTask = era === 'modern' && takesTasks(context);
        const submitted = await submit(call, body, key);
        const taskId = String(submitted.task_id);
        try {
          const seconds = given ?? (asTask ? 0 : LONGEST_WAIT_SECONDS);
          const state = await waitFor(call, taskId, seconds, { ...context, stopping });
          if (asTask && !isFinished(state.task)) return taskHandle(state);
          return await taskResult(call, state.task, stopping);
        } catch (error) {
          if (asTask) return taskHandle({ task: TaskOutput.parse({ status: 'queued', ...submitted }) });
          // It is paid for: without its id, the agent would submit it again.
          const text = `${taskId} was submitted and goes on, but its state cannot be read now (${messageOf(error)}). Do not submit it again; call get_video with this task_id.`;
          return {
            content: [{ type: 'text', text }],
            structuredContent: { task_id: taskId, status: 'queued' },
          };
        }
      }),
  );
}

/** Submits a task. If its outcome is not known, the error names the key: without it, the agent would pay for a second one. */
async function submit(call: CallApi, body: object, key: string): Promise<Record<string, unknown>> {
  try {
    return await callJson(call, { method: 'POST', path: '/v1/video/generations', body, idempotencyKey: key });
  } catch (error) {
    if (error instanceof NotSent || (error instanceof Refused && error.status < 500)) throw error;
    const status = error instanceof Refused ? error.status : 502;
    const again = `Call generate_video again with the same arguments and the idempotency_key ${key}: it finds the task, or submits it.`;
    throw new Refused(status, `Whether the video was submitted is not known (${messageOf(error)}). ${again}`);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function taskTools(server: McpServer, call: CallApi, stopping: AbortSignal | undefined): void {
  server.registerTool(
    'get_video',
    {
      title: 'Get a video',
      description:
        'The state of a task, and its video once it has succeeded. Waits for it for up to wait_seconds.',
      inputSchema: GetInput,
      outputSchema: TaskOutput,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ task_id: id, wait_seconds: seconds }, context) =>
      answering(async () => {
        const { task } = await waitFor(call, id, seconds, { ...context, stopping });
        return taskResult(call, task, stopping);
      }),
  );

  server.registerTool(
    'list_videos',
    {
      title: 'List videos',
      description: 'The tasks of the project, the newest first.',
      inputSchema: ListInput,
      outputSchema: ListOutput,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ limit, ...filters }) =>
      answering(async () => {
        const query = new URLSearchParams({ limit: String(limit) });
        for (const [name, value] of Object.entries(filters)) if (value !== undefined) query.set(name, value);
        return asText(await callJson(call, { method: 'GET', path: `/v1/video/generations?${query}` }));
      }),
  );

  server.registerTool(
    'cancel_video',
    {
      title: 'Cancel a video',
      description:
        'Stops a task that is not done yet. One that its provider can no longer stop is refused, and goes on.',
      inputSchema: CancelInput,
      outputSchema: TaskOutput,
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
    },
    ({ task_id: id }) =>
      answering(async () => asText(await callJson(call, { method: 'POST', path: `${taskPath(id)}/cancel` }))),
  );
}

/** What the gateway refuses is a result that the model reads, and not an error of the protocol. */
async function answering(work: () => Promise<CallToolResult>): Promise<CallToolResult> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused || error instanceof NotSent)) throw error;
    return { content: [{ type: 'text', text: error.message }], isError: true };
  }
}

const asText = (structuredContent: Record<string, unknown>): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
  structuredContent,
});
