import type OpenAI from 'openai';
import type { VideoRequest } from '../../tasks/request.ts';
import {
  bodyOf,
  type Json,
  type OptionRules,
  type ParameterRow,
  refusedOptions,
  withOptions,
} from '../mapping/body.ts';
import { notSent, readInput } from '../mapping/inputs.ts';
import { type Job, UpstreamError } from '../provider.ts';

/**
 * openapi.yaml, CreateVideoMultipartBody: `seconds` is text. `negative_prompt` and `seed` belong to vLLM-Omni and SGLang. A
 * request has them only if the catalogue says that the model takes them.
 */
const PARAMETERS: readonly ParameterRow[] = [
  { from: 'prompt', to: 'prompt' },
  { from: 'duration', to: 'seconds', as: String },
  { from: 'width', to: 'size', as: (width, { height }) => `${width}x${height}` },
  { from: 'negativePrompt', to: 'negative_prompt' },
  { from: 'seed', to: 'seed' },
];

/** Operations on an existing video, with their parameters besides `video` (openapi.yaml, …RemixBody, …EditBody, …ExtendBody). */
const OPERATIONS = {
  remix: ['prompt'],
  edit: ['prompt'],
  extend: ['prompt', 'seconds'],
} as const;
type Operation = keyof typeof OPERATIONS;

/** The member of `provider_options` that chooses the operation. It is the gateway's own and never sent. */
const OPERATION_OPTION = 'operation';

/** Members that `provider_options` cannot set: what is paid for, and what was checked already. */
const RESERVED: readonly string[] = ['model', 'prompt', 'seconds', 'size', 'input_reference', 'video'];

/** The parameters of a request, and what its options may not set. */
function rulesOf(
  request: VideoRequest,
  operation: Operation | undefined,
  upstreamModel: string,
): OptionRules {
  if (operation === undefined) {
    return { own: { model: upstreamModel, ...bodyOf(PARAMETERS, request) }, reserved: RESERVED };
  }
  const fields: readonly string[] = OPERATIONS[operation];
  return {
    own: bodyOf(
      PARAMETERS.filter(({ to }) => fields.includes(to)),
      request,
    ),
    reserved: RESERVED,
  };
}

/** The options that are sent. */
function optionsOf({ providerOptions = {} }: VideoRequest): Readonly<Record<string, unknown>> {
  const { [OPERATION_OPTION]: _, ...sent } = providerOptions;
  return sent;
}

/** See `Provider.refusedOptions`. An operation that does not exist or has no source is one of them. */
export function refusedOf(request: VideoRequest, upstreamModel: string): string[] {
  const wanted = request.providerOptions?.[OPERATION_OPTION];
  const operation = request.source && isOperation(wanted ?? 'remix');
  const isKnown = wanted === undefined || operation !== undefined;
  const rules = rulesOf(request, operation, upstreamModel);
  return [...(isKnown ? [] : [OPERATION_OPTION]), ...refusedOptions(rules, optionsOf(request))];
}

const isOperation = (name: unknown): Operation | undefined =>
  Object.keys(OPERATIONS).find((known): known is Operation => known === name);

/** The request that creates a job. `send` sends it. */
export interface Creation {
  /** It needs an earlier video, which may be gone. */
  readonly ofSource?: boolean;
  send(client: OpenAI, options: OpenAI.RequestOptions): Promise<unknown>;
}

/**
 * Reads the inputs of a job and chooses the endpoint. `json`: a request without an image is sent as JSON, for servers that take
 * multipart only with an image. If this throws `UpstreamError`, nothing was sent.
 */
export async function creationOf(job: Job, json: boolean): Promise<Creation> {
  const { request } = job;
  refuseStrayInputs(request);
  const operation = operationOf(request);
  if (request.source && operation) return fromSource(job, request.source.upstreamId, operation);

  const body = withOptions(rulesOf(request, undefined, job.upstreamModel), optionsOf(request));
  if (!request.image) return json ? asJson(body) : asForm(body);
  const bytes = await readInput(job, request.image);
  const { contentType: type } = request.image;
  const file = new File([new Uint8Array(bytes)], `reference.${type.split('/')[1]}`, { type });
  return asForm({ ...body, input_reference: file });
}

/** The protocol has a field for one image, the first frame. */
function refuseStrayInputs({ lastFrame, references }: VideoRequest): void {
  if (lastFrame) throw notSent('The upstream provider takes no last_frame');
  if (references) throw notSent('The upstream provider takes no references');
}

type Body = Readonly<Record<string, Json | File | undefined>>;

// The SDK's parameter types know no parameters of compatible servers.
const asForm = (body: Body): Creation => ({
  send: (client, options) => client.videos.create(body as unknown as OpenAI.VideoCreateParams, options),
});

const asJson = (body: Body): Creation => ({
  send: (client, options) => client.post('/videos', { ...options, body }),
});

function fromSource({ request, upstreamModel }: Job, id: string, operation: Operation): Creation {
  const body = withOptions(rulesOf(request, operation, upstreamModel), optionsOf(request));
  const withVideo = { ...body, video: { id } };
  // As above. `OPERATIONS` has the parameters that each of the three requires.
  const params = {
    remix: (client: OpenAI, options: OpenAI.RequestOptions) =>
      client.videos.remix(id, body as unknown as OpenAI.VideoRemixParams, options),
    edit: (client: OpenAI, options: OpenAI.RequestOptions) =>
      client.videos.edit(withVideo as unknown as OpenAI.VideoEditParams, options),
    extend: (client: OpenAI, options: OpenAI.RequestOptions) =>
      client.videos.extend(withVideo as unknown as OpenAI.VideoExtendParams, options),
  };
  return { ofSource: true, send: params[operation] };
}

/** Undefined for a video without a source. */
function operationOf({ source, providerOptions }: VideoRequest): Operation | undefined {
  const wanted = providerOptions?.[OPERATION_OPTION];
  if (source === undefined && wanted === undefined) return undefined;
  const known = isOperation(wanted ?? 'remix');
  if (source && known) return known;
  throw new UpstreamError('invalid_request', {
    created: 'no',
    message: known
      ? `${OPERATION_OPTION} in provider_options needs a video_url to start from.`
      : `${OPERATION_OPTION} in provider_options must be ${Object.keys(OPERATIONS).join(', ')}.`,
  });
}
