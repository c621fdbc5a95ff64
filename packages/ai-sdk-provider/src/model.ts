import {
  APICallError,
  type JSONObject,
  type JSONValue,
  type Experimental_VideoModelV4VideoData as VideoData,
  type Experimental_VideoModelV4 as VideoModel,
} from '@ai-sdk/provider';
import { ApiError, DownloadError, type Onetake, type Task } from '@onetake/client';
import { OPTIONS_KEY, requestOf } from './request.ts';

export type OnetakeVideoModel = VideoModel &
  Required<Pick<VideoModel, 'doGenerate' | 'doStart' | 'doStatus' | 'handleWebhookOption'>>;

type Headers = Readonly<Record<string, string | undefined>>;

/** What a model needs of its provider. */
export interface ModelParts {
  /** Where the gateway is, for error messages. */
  baseUrl(): string;
  /** A client that sends these headers as well. */
  connect(headers: Headers | undefined): Onetake;
}

const IDEMPOTENCY_KEY = 'idempotency-key';

/** A model of the gateway. It keeps no state, so an operation can be continued in another process. */
export function createVideoModel(modelId: string, { baseUrl, connect }: ModelParts): OnetakeVideoModel {
  /** The client has repeated what can be repeated, with one idempotency key; a repetition by the AI SDK could make a second video. */
  async function explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      throw new APICallError({
        message: error.message,
        url: baseUrl(),
        requestBodyValues: {},
        statusCode: error.status,
        responseBody: JSON.stringify(error.body),
        isRetryable: false,
        cause: error,
      });
    }
  }
  const responseOf = (model = modelId) => ({ timestamp: new Date(), modelId: model, headers: undefined });

  return {
    specificationVersion: 'v4',
    provider: 'onetake.video',
    modelId,
    maxVideosPerCall: 1,

    doGenerate: (options) =>
      explained(async () => {
        const { params, warnings } = requestOf(modelId, options);
        const client = connect(options.headers);
        const task = await client.generate(params, {
          signal: options.abortSignal,
          idempotencyKey: keyIn(options.headers),
        });
        return {
          videos: [await videoOf(client, task, options.abortSignal)],
          warnings: [...warnings, ...notesOf(task)],
          providerMetadata: metadataOf(task),
          response: responseOf(task.model),
        };
      }),

    async handleWebhookOption({ webhook }) {
      const { url, received } = await webhook();
      return { webhookUrl: url, received };
    },

    doStart: (options) =>
      explained(async () => {
        const { params, warnings } = requestOf(modelId, options);
        const submitted = await connect(options.headers).submit(params, {
          signal: options.abortSignal,
          idempotencyKey: keyIn(options.headers),
        });
        return {
          operation: { task_id: submitted.task_id },
          warnings: [...warnings, ...notesOf(submitted)],
          providerMetadata: { [OPTIONS_KEY]: { task_id: submitted.task_id } },
          response: responseOf(submitted.model),
        };
      }),

    doStatus: ({ operation, abortSignal, headers }) =>
      explained(async () => {
        const client = connect(headers);
        const task = await client.get(taskIdIn(operation), { signal: abortSignal });
        const common = { providerMetadata: metadataOf(task), response: responseOf(task.model) };
        if (task.status === 'failed')
          return { ...common, status: 'error', error: task.error?.message ?? 'The task failed.' };
        if (task.status !== 'succeeded') return { status: 'pending', response: common.response };
        const videos = [await videoOf(client, task, abortSignal)];
        return { ...common, status: 'completed', videos, warnings: [] };
      }),
  };
}

const keyIn = (headers: Headers = {}): string | undefined =>
  Object.entries(headers).find(([name]) => name.toLowerCase() === IDEMPOTENCY_KEY)?.[1];

function taskIdIn(operation: JSONValue): string {
  const id =
    typeof operation === 'object' && operation !== null && 'task_id' in operation && operation.task_id;
  if (typeof id !== 'string') throw new TypeError('The operation is none of doStart of this provider.');
  return id;
}

/** What the gateway has rounded, redirected or fitted. */
const notesOf = ({ notes = [] }: { readonly notes?: readonly string[] }) =>
  notes.map((message) => ({ type: 'other' as const, message }));

/** In a list, which the AI SDK joins if several videos were asked for. */
const metadataOf = (task: Task) => ({ [OPTIONS_KEY]: { videos: [task as unknown as JSONObject] } });

/** The bytes: the AI SDK downloads no link to a private address, and Sora 2 has none. */
async function videoOf(
  client: Onetake,
  { task_id: id }: Task,
  signal: AbortSignal | undefined,
): Promise<VideoData> {
  const { body, sha256, contentType } = await client.download(id, { signal });
  const data = new Uint8Array(await new Response(body).arrayBuffer());
  if (sha256 !== undefined && sha256 !== (await sha256Of(data)))
    throw new DownloadError('The bytes of the video are not those that the server has.');
  return { type: 'binary', data, mediaType: contentType ?? 'video/mp4' };
}

async function sha256Of(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
