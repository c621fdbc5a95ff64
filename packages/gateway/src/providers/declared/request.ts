import { PARAMETERS, wireName } from '../../catalogue/fields.ts';
import { isHeaderValue } from '../../settingSchemas.ts';
import { plainImages, type StoredInput, type VideoRequest } from '../../tasks/request.ts';
import type { FormField } from '../http/calls.ts';
import { type Json, type OptionRules, refusedOptions, withOptions } from '../mapping/body.ts';
import { linkOf, notSent, onlyImages, readInput } from '../mapping/inputs.ts';
import { isObject } from '../mapping/jsonPath.ts';
import { type Job, UpstreamError } from '../provider.ts';
import { reads } from './contradictions.ts';
import { fill, fillPath } from './expressions.ts';
import { readId } from './id.ts';
import { InputFile, type InputMembers, NoLink } from './inputFile.ts';
import type { CallClause, ProviderFile } from './schema.ts';

/** What the expressions of a request read. */
export type Scope = Readonly<Record<string, unknown>>;

/** A call with everything filled in. */
export interface FilledCall {
  readonly method: NonNullable<CallClause['method']>;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: Json;
  readonly form?: readonly FormField[];
}

/** Of a source that was made before the file had `job.video_id`, or whose answer had none. */
const NO_VIDEO_ID =
  'The upstream provider names the video of video_url by an id that was not stored with it; make that video again, and start from the new one.';

/** The scope of a submission, with its images read. Throws `UpstreamError` if one cannot be read; nothing was sent then. */
export async function submissionScope(job: Job, file: ProviderFile, callback?: string): Promise<Scope> {
  const read = async (input: StoredInput, more?: InputMembers) => {
    // A video may have hundreds of megabytes, so it is there only as a link, or to upload it.
    const bytes = more?.type === 'video' && !file.upload ? undefined : await readInput(job, input);
    return new InputFile(bytes, { contentType: input.contentType, link: linkOf(job, input) }, more);
  };
  const { image, lastFrame, references, source } = job.request;
  if (source && source.resultId === undefined && reads(file.submit, ['source_video_id']))
    throw new UpstreamError('invalid_request', { created: 'no', message: NO_VIDEO_ID, detail: NO_VIDEO_ID });
  if (references) refuseUnreadReferences(file, job.request);
  return {
    ...requestScope(job, file),
    task: job.taskId,
    ...(callback === undefined ? {} : { callback }),
    ...(image && { image: await read(image) }),
    ...(lastFrame && { last_frame: await read(lastFrame) }),
    ...(references && {
      references: await Promise.all(references.map(({ input, type, role }) => read(input, { type, role }))),
      reference_images: await Promise.all(plainImages(job.request).map((input) => read(input))),
    }),
  };
}

/** The check at the start refuses a file whose models take what it does not read. This is for entries that it does not see. */
function refuseUnreadReferences({ submit }: ProviderFile, request: VideoRequest): void {
  if (reads(submit, ['references'])) return;
  if (!reads(submit, ['reference_images'])) throw notSent('The upstream provider takes no references');
  onlyImages(request);
}

/** The scope of a request whose images are not needed. They are there, without their bytes. */
export function requestScope(
  { request, upstreamModel, idempotencyKey }: Pick<Job, 'request' | 'upstreamModel' | 'idempotencyKey'>,
  file: ProviderFile,
): Scope {
  const parameters = PARAMETERS.map((name) => [wireName(name), Reflect.get(request, name)]);
  const { prompt, width, height, source, autoDuration } = request;
  return {
    ...Object.fromEntries(parameters.filter(([, value]) => value !== undefined)),
    model: upstreamModel,
    prompt,
    width,
    height,
    key: idempotencyKey,
    ...(autoDuration ? { auto_duration: true } : {}),
    ...(source ? { source: readId(file, source.upstreamId), source_video_id: source.resultId } : {}),
  };
}

/** Fills in a call. Throws an error of the file as a bug that is not the caller's fault. */
export async function fillCall(
  clause: CallClause,
  scope: Scope,
  fallback: 'GET' | 'POST' | 'DELETE',
): Promise<FilledCall> {
  try {
    const query = new URLSearchParams(await texts(clause.query, scope)).toString();
    const json = clause.json === undefined ? undefined : await fill(clause.json, scope);
    const form = clause.multipart && (await formOf(clause.multipart, scope));
    return {
      method: clause.method ?? fallback,
      path: `${await fillPath(clause.path, scope)}${query ? `?${query}` : ''}`,
      headers: sendable(await texts(clause.headers, scope)),
      ...(json === undefined ? {} : { json }),
      ...(form ? { form } : {}),
    };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    if (error instanceof Error && error.cause instanceof NoLink)
      throw new UpstreamError('invalid_request', { created: 'no', message: error.cause.message, detail });
    throw new UpstreamError('internal_error', {
      created: 'no',
      message: "The operator's description of this provider cannot express the request.",
      detail,
      cause: error,
    });
  }
}

/** See `Provider.refusedOptions`. Those that the file does not list are refused, because they would be ignored or cost money. */
export async function refusedOf(
  job: Pick<Job, 'request' | 'upstreamModel' | 'idempotencyKey'>,
  file: ProviderFile,
): Promise<string[]> {
  const { providerOptions = {} } = job.request;
  const unknown = Object.keys(providerOptions).filter((name) => !file.submit.options.includes(name));
  if (unknown.length > 0 || Object.keys(providerOptions).length === 0) return unknown;
  // A body that cannot be filled in without its images is compared when they are there.
  const call = await fillCall(file.submit, requestScope(job, file), 'POST').catch(() => undefined);
  return call ? refusedOptions(rulesOf(call), providerOptions) : [];
}

/** Adds the caller's `provider_options` to a JSON body. Throws if they may not be set. */
export function withCallersOptions(
  call: FilledCall,
  { providerOptions = {} }: VideoRequest,
  allowed: readonly string[],
): FilledCall {
  const unknown = Object.keys(providerOptions).filter((name) => !allowed.includes(name));
  if (Object.keys(providerOptions).length === 0) return call;
  const { own } = rulesOf(call);
  return { ...call, json: withOptions({ own, reserved: unknown }, providerOptions) };
}

/** The body was made by `fill`, so its members are JSON. */
const rulesOf = ({ json }: FilledCall): OptionRules => ({
  own: (isObject(json) ? { ...json } : {}) as OptionRules['own'],
  reserved: [],
});

async function texts(members: CallClause['query'], scope: Scope): Promise<Record<string, string>> {
  const filled: [string, string][] = [];
  for (const [name, template] of Object.entries(members ?? {})) {
    const value = await fill(template, scope);
    if (value !== undefined) filled.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  }
  return Object.fromEntries(filled);
}

/** Throws if a header cannot be sent as it is. */
function sendable(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const wrong = Object.keys(headers).find((name) => !isHeaderValue(headers[name] ?? ''));
  if (wrong === undefined) return headers;
  throw new Error(
    `headers.${wrong} has a character that no HTTP header can carry; write it with $encodeUrlComponent(…)`,
  );
}

async function formOf(
  fields: NonNullable<CallClause['multipart']>,
  scope: Scope,
): Promise<readonly FormField[]> {
  const form: FormField[] = [];
  for (const [name, template] of Object.entries(fields)) {
    const value: unknown = await fill(template, scope);
    if (value instanceof InputFile) form.push({ name, value: value.asFile(name) });
    else if (value !== undefined)
      form.push({ name, value: typeof value === 'string' ? value : JSON.stringify(value) });
  }
  return form;
}
