import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { SubmitParams } from '@onetake/client';
import { fileTypeFromBuffer } from 'file-type';
import { invalidRequest } from '../../tasks/errors.ts';
import { usageError } from '../usage.ts';

/** What the options of `onetake generate` say about the video. */
export interface Wishes {
  readonly model?: string | undefined;
  readonly duration?: string | undefined;
  readonly resolution?: string | undefined;
  readonly ratio?: string | undefined;
  readonly size?: string | undefined;
  readonly seed?: string | undefined;
  readonly audio?: boolean | undefined;
  readonly negativePrompt?: string | undefined;
  readonly image?: string | undefined;
  readonly lastFrame?: string | undefined;
  readonly reference?: readonly string[] | undefined;
  readonly video?: string | undefined;
  readonly metadata?: readonly string[] | undefined;
  readonly set?: readonly string[] | undefined;
}

/** The body of the submit. What it says is checked by the gateway, which knows the models. */
export async function requestOf(prompt: string, wishes: Wishes): Promise<SubmitParams> {
  const { model, reference, metadata, set = [] } = wishes;
  if (model === undefined)
    throw usageError('Say which model: onetake generate "a prompt" -m MODEL (see onetake models).');
  // Without a prototype, so that no name has a value already.
  const params: Record<string, unknown> = Object.assign(Object.create(null), {
    model,
    prompt: prompt === '-' ? (await text(process.stdin)).trim() : prompt,
    negative_prompt: wishes.negativePrompt,
    duration: wishes.duration,
    resolution: wishes.resolution,
    aspect_ratio: wishes.ratio,
    size: wishes.size,
    seed: numberIn(wishes.seed),
    generate_audio: wishes.audio,
    image: await imageOf(wishes.image),
    last_frame: await imageOf(wishes.lastFrame),
    video_url: wishes.video,
    references: reference && (await Promise.all(reference.map(referenceOf))),
    metadata: metadata && Object.fromEntries(metadata.map((pair) => pairOf('--metadata', pair))),
  });
  for (const pair of set) setParameter(params, pair);
  return params as SubmitParams;
}

/** A seed that is no number is sent as it is, for the gateway to say so. */
const numberIn = (value: string | undefined) =>
  value === undefined || value.trim() === '' || Number.isNaN(Number(value)) ? value : Number(value);

const isLink = (source: string): boolean => /^(?:https?|data):/i.test(source);

const imageOf = async (source: string | undefined) =>
  source === undefined || isLink(source) ? source : (await bytesOf(source)).toString('base64');

/** The kind of a file is that of its content; that of a link is told by its ending, and an image without. */
async function referenceOf(source: string) {
  if (isLink(source))
    return { type: typeOfLink(source), ...(/^data:/i.test(source) ? { data: source } : { url: source }) };
  const bytes = await bytesOf(source);
  const { mime = '' } = (await fileTypeFromBuffer(bytes)) ?? {};
  const [type = ''] = mime.split('/');
  if (!['image', 'video', 'audio'].includes(type))
    throw invalidRequest(`${source} is no image, video or sound that could be a reference.`);
  return { type, data: `data:${mime};base64,${bytes.toString('base64')}` };
}

function typeOfLink(link: string): string {
  const [, kind] = /^data:(image|video|audio)\//i.exec(link) ?? [];
  if (kind !== undefined) return kind.toLowerCase();
  const path = URL.canParse(link) ? new URL(link).pathname : link;
  if (/\.(?:mp4|mov|webm|mkv|m4v)$/i.test(path)) return 'video';
  return /\.(?:mp3|wav|m4a|aac|ogg|flac)$/i.test(path) ? 'audio' : 'image';
}

async function bytesOf(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw invalidRequest(`The file ${file} cannot be read (${why}); name a file of this folder, or a URL.`);
  }
}

export function pairOf(option: string, pair: string): readonly [name: string, value: string] {
  const at = pair.indexOf('=');
  if (at < 1)
    throw usageError(
      `${option} takes key=value, such as ${option} ${option === '--set' ? 'seed=7' : 'order=17'}, not "${pair}".`,
    );
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** `seed=7`, `style=anime`, `provider_options.guidance=3`. The value is JSON, or a text if it is none. */
function setParameter(params: Record<string, unknown>, pair: string): void {
  const [path, value] = pairOf('--set', pair);
  const names = path.split('.');
  const last = names.pop() ?? '';
  let at = params;
  for (const name of names) {
    at[name] ??= Object.create(null);
    const inner = at[name];
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner))
      throw usageError(`--set ${path}: ${name} has a value already.`);
    at = inner as Record<string, unknown>;
  }
  if (at[last] !== undefined) throw usageError(`--set ${path}: it has a value already.`);
  at[last] = jsonOrText(value);
}

function jsonOrText(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
