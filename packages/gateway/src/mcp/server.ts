import { randomUUID } from 'node:crypto';
import { type CallToolResult, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { type CallApi, callJson, Refused } from './api.ts';
import { briefModels, ModelOutput } from './models.ts';
import { TaskOutput, taskPath, taskResult, waitFor } from './tasks.ts';

/** Clients give up a call after a minute unless they are told otherwise. Seconds. */
const LONGEST_WAIT_SECONDS = 50;

const INSTRUCTIONS =
  'Makes videos with AI models. Call list_models for what can be used here and what it costs, then generate_video. Videos take from seconds to many minutes: a task that is not done yet goes on by itself, and get_video waits for it.';

const wait = (seconds: number) =>
  z
    .number()
    .int()
    .min(0)
    .max(LONGEST_WAIT_SECONDS)
    .default(seconds)
    .describe('How long to wait for the video, in seconds; 0 answers at once');

const taskId = z
  .string()
  .regex(/^video_[0-9a-f]{32}$/, 'must be a task_id as generate_video and list_videos answer it')
  .describe('As generate_video has answered');

/** Further members go to the gateway as they are, which refuses those that the model does not take. */
const GenerateInput = z.looseObject({
  model: z.string().describe('An id from list_models'),
  prompt: z.string().describe('What the video shows'),
  duration: z.number().optional().describe('Seconds'),
  resolution: z.string().optional().describe('For example 720p'),
  aspect_ratio: z.string().optional().describe('For example 16:9'),
  negative_prompt: z.string().optional(),
  seed: z.number().int().optional(),
  generate_audio: z.boolean().optional(),
  image: z.string().optional().describe('First frame: a public URL, a data URL or base64'),
  last_frame: z.string().optional().describe('Last frame, in the same forms'),
  reference_images: z.array(z.string()).optional().describe('In the same forms'),
  video_url: z
    .string()
    .optional()
    .describe('A video to change or to extend: the task_id of one that was made here, or a URL'),
  metadata: z.record(z.string(), z.string()).optional().describe('Labels to find the task by'),
  provider_options: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('What only the provider of the model has'),
  wait_seconds: wait(LONGEST_WAIT_SECONDS),
  idempotency_key: z
    .string()
    .optional()
    .describe('Repeating a call with the same key finds the same task, and is never paid for twice'),
});

const ListInput = z.object({
  status: z.enum(['queued', 'in_progress', 'succeeded', 'failed']).optional(),
  model: z.string().optional(),
  limit: z.number().int().min(1).max(100).default(20),
  after: z.string().optional().describe('next_cursor of the page before'),
});

const ListOutput = z.looseObject({
  data: z.array(TaskOutput),
  has_more: z.boolean(),
  next_cursor: z.string().optional(),
});

/** An MCP server for one client, whose tools call the gateway's API as `call` does. Tools that wait answer early once `stopping` is aborted. */
export function createMcpServer(call: CallApi, version: string, stopping?: AbortSignal): McpServer {
  const server = new McpServer(
    { name: 'onetake', title: 'Onetake', version },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  );
  modelTool(server, call);
  generateTool(server, call, stopping);
  taskTools(server, call, stopping);
  return server;
}

function modelTool(server: McpServer, call: CallApi): void {
  server.registerTool(
    'list_models',
    {
      title: 'List video models',
      description:
        'The models that can make videos here, with durations, resolutions, parameters and prices. `model`: everything about one of them.',
      inputSchema: z.object({
        model: z.string().optional().describe('The id of one model, to see all of its limits'),
        include_unavailable: z.boolean().default(false).describe('Also those without an account here'),
      }),
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

function generateTool(server: McpServer, call: CallApi, stopping: AbortSignal | undefined): void {
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
    ({ wait_seconds: seconds, idempotency_key: key = randomUUID(), ...body }, context) =>
      answering(async () => {
        const submitted = await callJson(call, {
          method: 'POST',
          path: '/v1/video/generations',
          body,
          idempotencyKey: key,
        });
        const taskId = String(submitted.task_id);
        try {
          return await taskResult(
            call,
            await waitFor(call, taskId, seconds, { ...context, stopping }),
            stopping,
          );
        } catch (error) {
          // It is paid for: without its id, the agent would submit it again.
          const why = error instanceof Error ? error.message : String(error);
          const text = `${taskId} was submitted and goes on, but its state cannot be read now (${why}). Do not submit it again; call get_video with this task_id.`;
          return {
            content: [{ type: 'text', text }],
            structuredContent: { task_id: taskId, status: 'queued' },
          };
        }
      }),
  );
}

function taskTools(server: McpServer, call: CallApi, stopping: AbortSignal | undefined): void {
  server.registerTool(
    'get_video',
    {
      title: 'Get a video',
      description:
        'The state of a task, and its video once it has succeeded. Waits for it for up to wait_seconds.',
      inputSchema: z.object({ task_id: taskId, wait_seconds: wait(0) }),
      outputSchema: TaskOutput,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    ({ task_id: id, wait_seconds: seconds }, context) =>
      answering(async () =>
        taskResult(call, await waitFor(call, id, seconds, { ...context, stopping }), stopping),
      ),
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
      inputSchema: z.object({ task_id: taskId }),
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
    if (!(error instanceof Refused)) throw error;
    return { content: [{ type: 'text', text: error.message }], isError: true };
  }
}

const asText = (structuredContent: Record<string, unknown>): CallToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
  structuredContent,
});
