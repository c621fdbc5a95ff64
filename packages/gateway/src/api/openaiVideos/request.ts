import type { Model } from '../../catalogue/model.ts';
import { kindOf } from '../../catalogue/references.ts';
import type { ModelLookup } from '../../catalogue/validate/request.ts';
import { list, shown } from '../../catalogue/words.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { namesFile } from '../../tasks/ids.ts';
import type { Task } from '../../tasks/task.ts';
import { Upload } from '../body/multipart.ts';
import { fileNotFound } from '../ownFile.ts';
import { missing, unsupported } from './errors.ts';
import { CreateBody, EditBody, ExtendBody, RemixBody } from './schemas.ts';

/** The fields of a body of this API. */
export type Fields = Readonly<Record<string, unknown>>;

/** A body of the unified API, which `checkRequest` checks. */
type UnifiedBody = Readonly<Record<string, unknown>>;

/** What can be done to a video. */
type Operation = 'remix' | 'edit' | 'extend';

/** A video to change: one of the caller's tasks, or a file in the request or uploaded earlier. */
type Source = Task | Upload | FileId;

/** The id of an uploaded file. */
class FileId {
  readonly fileId: string;

  constructor(id: string) {
    this.fileId = id;
  }
}

const isFile = (source: Source): source is Upload | FileId =>
  source instanceof Upload || source instanceof FileId;

/** The calls that make a video. */
export const CALLS = [
  {
    operation: 'create',
    url: '/v1/videos',
    body: CreateBody,
    operationId: 'createVideo',
    summary: 'Create a video',
    description:
      'The same task as of `POST /v1/video/generations`, of any model. Send an `Idempotency-Key` header to make retries safe.',
  },
  {
    operation: 'remix',
    url: '/v1/videos/:video_id/remix',
    body: RemixBody,
    operationId: 'remixVideo',
    summary: 'Remix a video',
    description: 'Makes the video anew, changed as the prompt says, if its model can.',
  },
  {
    operation: 'edit',
    url: '/v1/videos/edits',
    body: EditBody,
    operationId: 'editVideo',
    summary: 'Edit a video',
    description: 'Changes what the prompt says, if the model can.',
  },
  {
    operation: 'extend',
    url: '/v1/videos/extensions',
    body: ExtendBody,
    operationId: 'extendVideo',
    summary: 'Extend a video',
    description: 'Continues the video as the prompt says, if the model can.',
  },
] as const;
export type Call = (typeof CALLS)[number];

/** OpenAI's API description, schema CreateVideoJsonBody. The last two are defaults of its models, not of others. */
const DEFAULTS = { model: 'sora-2', seconds: '4', size: '720x1280' };

/** How many unknown fields an error names. */
const LISTED = 10;

/** Reads a body with the given fields. `null` counts as not given. Throws a 400 that names the fields which are not. */
export function readFields(body: unknown, known: readonly string[]): Fields {
  if (!isObject(body)) throw invalidRequest('The body must be a JSON object or a form.');
  const unknown = Object.keys(body).filter((name) => !known.includes(name));
  if (unknown.length > 0) throw unknownFields(unknown, known);
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
}

function unknownFields(names: readonly string[], known: readonly string[]): Error {
  const what = names.length === 1 ? 'Unknown parameter' : 'Unknown parameters';
  const listed = [...names.slice(0, LISTED).map(shown), ...(names.length > LISTED ? ['others'] : [])];
  const advice = `this call takes ${list(known, 'and')}; POST /v1/video/generations takes all that a model does`;
  return invalidRequest(
    `${what}: ${list(listed, 'and')}; ${advice}.`,
    names[0]?.slice(0, 64).toWellFormed(),
    'unknown_parameter',
  );
}

/** A call as a body of the unified API. `find` finds a task of the caller. */
export async function unifiedBody(
  operation: Call['operation'],
  { id, fields }: { readonly id: string | undefined; readonly fields: Fields },
  models: ModelLookup,
  find: (id: string) => Promise<Task>,
): Promise<UnifiedBody> {
  if (fields.prompt === undefined) throw missing('prompt');
  if (operation === 'create') return creation(fields, models);
  const source = id === undefined ? await sourceOf(fields, find) : await find(id);
  return change(operation, source, fields, models);
}

function creation(fields: Fields, models: ModelLookup): UnifiedBody {
  const { model = DEFAULTS.model, prompt, seconds, size, input_reference: reference } = fields;
  const isSora = typeof model === 'string' && models.get(model)?.family === 'sora';
  return {
    model,
    prompt,
    seconds: seconds ?? (isSora ? DEFAULTS.seconds : null),
    size: size ?? (isSora ? DEFAULTS.size : null),
    input_reference: reference === undefined ? null : imageOf(reference),
  };
}

/** `input_reference`: a file, or an object with a URL or the id of an uploaded file (OpenAI's API description, schema ImageRefParam). */
function imageOf(reference: unknown): string {
  const name = 'input_reference';
  if (reference instanceof Upload) return reference.base64;
  const { image_url: url, file_id: file } = isObject(reference) ? readFields(reference, REFERENCE) : {};
  if (typeof url === 'string' && file === undefined && !namesFile(url)) return url;
  if (typeof file === 'string' && url === undefined) {
    if (namesFile(file)) return file;
    throw fileNotFound(file, `${name}.file_id`);
  }
  throw invalidRequest(`${name} must be a file, or an object with image_url or file_id.`, name);
}

const REFERENCE = ['image_url', 'file_id'];

/** The `video` of an edit or an extension. */
async function sourceOf({ video }: Fields, find: (id: string) => Promise<Task>): Promise<Source> {
  if (video === undefined) throw missing('video');
  if (video instanceof Upload) return video;
  const { id } = isObject(video) ? readFields(video, ['id']) : {};
  if (typeof id !== 'string')
    throw invalidRequest('video must be a file, or an object with the id of a video or of a file.', 'video');
  return namesFile(id) ? new FileId(id) : find(id);
}

/** A change of a video as a body of the unified API. Throws a 400 if the model cannot do it. */
function change(
  operation: Operation,
  source: Source,
  { prompt, seconds, model: chosen }: Fields,
  models: ModelLookup,
): UnifiedBody {
  if (operation === 'extend' && seconds === undefined) throw missing('seconds');
  const name = chosen ?? (isFile(source) ? undefined : source.request.model);
  if (name === undefined) {
    throw invalidRequest('model is required when video is a file: it says which model changes it.', 'model');
  }
  const model = typeof name === 'string' ? models.get(name) : undefined;
  const body = { model: name, prompt, ...(operation === 'extend' ? { seconds } : {}) };
  // The check of the unified API says what is wrong with the name.
  if (!model) return body;
  const video = changed(operation, source, model);
  if (!video) throw cannot(operation, source, model, models);
  return { ...body, ...video };
}

/** The members of a unified body that make the model change the video; undefined if it cannot. */
function changed(operation: Operation, source: Source, model: Model): UnifiedBody | undefined {
  const { videoUrl, references } = model.parameters;
  const role = operation === 'extend' ? 'first_clip' : 'source';
  if (kindOf(references, { type: 'video', role })) {
    return { references: [{ type: 'video', role, ...originOf(source) }], ...shapeOf(source, model) };
  }
  if (videoUrl?.of !== 'own' || isFile(source)) return undefined;
  const { extendsWith, keeps } = videoUrl;
  if (!extendsWith) {
    // A model that decides nothing else makes the one or the other: a video that is changed stays as long as it was.
    return keeps.includes('duration') === (operation === 'extend') ? undefined : { video_url: source.id };
  }
  const { option, value } = extendsWith;
  const does = { remix: undefined, edit: model.provider === 'openai' ? 'edit' : undefined, extend: value }[
    operation
  ];
  return {
    video_url: source.id,
    provider_options: does === undefined ? null : { [model.provider]: { [option]: does } },
  };
}

/** Where the bytes of a reference are, in the unified API. */
function originOf(source: Source): UnifiedBody {
  if (source instanceof Upload) return { data: source.base64 };
  return source instanceof FileId ? { file_id: source.fileId } : { video_id: source.id };
}

/** The shape of the source, as far as the model can make it. */
function shapeOf(source: Source, { parameters }: Model): UnifiedBody {
  if (isFile(source)) return {};
  const { resolution, aspectRatio } = source.request;
  return {
    resolution: parameters.resolution.allowed.includes(resolution) ? resolution : null,
    aspect_ratio: parameters.aspectRatio.allowed.includes(aspectRatio) ? aspectRatio : null,
  };
}

function cannot(operation: Operation, source: Source, model: Model, models: ModelLookup): Error {
  const able = models.offered().filter((other) => changed(operation, source, other));
  const advice =
    able.length > 0
      ? `set model to one that can, such as ${list(
          able.slice(0, 4).map(({ id }) => id),
          'or',
        )}`
      : 'no model can';
  const what = isFile(source) ? 'an uploaded video' : 'a video';
  return unsupported(`${model.id} cannot ${operation} ${what}; ${advice}.`, 'model');
}

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
