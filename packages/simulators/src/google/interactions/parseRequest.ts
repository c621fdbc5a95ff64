import { type Fields, isObject } from '../body.ts';
import { omniRefusals } from './errors.ts';
import {
  DEFAULT_SECONDS,
  LONGEST_BETWEEN_FRAMES,
  type OmniModel,
  type OmniResolution,
  RESOLUTIONS,
  SHORTEST,
} from './models.ts';

/** A checked request to create an interaction. */
export interface OmniRequest {
  readonly prompt: string;
  /** The content of the user's turn, as later answers repeat it. */
  readonly content: readonly Fields[];
  readonly format: Fields;
  readonly resolution: OmniResolution;
  readonly portrait: boolean;
  readonly seconds: number;
  readonly delivery: 'inline' | 'uri';
}

const RATIOS = ['16:9', '9:16'] as const;
const DELIVERIES = ['inline', 'uri'] as const;
const TASKS = ['text_to_video', 'image_to_video', 'reference_to_video', 'edit', 'extend'] as const;
/** `ImageContentMimeType` of `@google/genai` 3.3.0. */
const IMAGES = /^image\/(?:png|jpeg|webp|heic|heif|gif|bmp|tiff)$/;

/**
 * Checks a request against Google's guide "Generate and edit videos with Gemini Omni Flash" (ai.google.dev/gemini-api/docs/omni), the types of
 * `@google/genai` 3.3.0, and refusals that its clients recorded. Videos as input and earlier interactions are not simulated.
 */
export function parseInteraction(model: OmniModel, body: Fields): OmniRequest {
  if (body.background !== true) {
    throw omniRefusals.invalid('This simulator runs interactions in the background only: set `background`.');
  }
  if (body.store === false) {
    throw omniRefusals.invalid('store=true is required for background interactions.');
  }
  if (body.previous_interaction_id !== undefined) {
    throw omniRefusals.invalid('This simulator does not continue interactions.');
  }
  const content = contentOf(body.input);
  const images = content.filter(({ type }) => type === 'image').length;
  const task = taskOf(body, images);
  const format = formatOf(body.response_format);
  return {
    prompt: promptOf(content),
    content,
    format,
    resolution: wordOf(format, 'resolution', RESOLUTIONS, '720p'),
    portrait: wordOf(format, 'aspect_ratio', RATIOS, '16:9') === '9:16',
    delivery: wordOf(format, 'delivery', DELIVERIES, 'inline'),
    seconds: secondsOf(format, isBetweenFrames(task, images) ? LONGEST_BETWEEN_FRAMES : model.longest),
  };
}

const isBetweenFrames = (task: unknown, images: number): boolean => images === 2 && task === 'image_to_video';

/** A text, a content, contents, or steps with contents (`InteractionsInput`). */
function contentOf(input: unknown): readonly Fields[] {
  if (typeof input === 'string') return [{ text: input, type: 'text' }];
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  const content = list.flatMap((one) => (isObject(one) && one.type === 'user_input' ? one.content : [one]));
  const checked = content.filter(isObject);
  if (checked.length === 0 || checked.length < content.length)
    throw omniRefusals.invalid("Invalid input at 'input'.");
  for (const one of checked) checkContent(one);
  return checked;
}

function checkContent({ type, text, data, mime_type: mimeType }: Fields): void {
  if (type === 'text' && typeof text === 'string') return;
  if (type !== 'image') throw omniRefusals.invalid("This simulator takes text and images in 'input'.");
  const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : Buffer.alloc(0);
  if (bytes.length === 0 || bytes.toString('base64') !== data)
    throw omniRefusals.invalid("Invalid input at 'input': the image is not base64.");
  if (!IMAGES.test(String(mimeType)))
    throw omniRefusals.invalid(`Unsupported mime type ${String(mimeType)} of an image.`);
}

function promptOf(content: readonly Fields[]): string {
  const prompt = content.flatMap(({ text }) => (typeof text === 'string' ? [text] : [])).join('\n');
  if (prompt === '') throw omniRefusals.invalid("Invalid input at 'input': there is no text.");
  return prompt;
}

/** `generation_config.video_config`, of which only `task` is known. Other members are ignored, as the service does. */
function taskOf({ generation_config: config }: Fields, images: number): string | undefined {
  const video = isObject(config) && isObject(config.video_config) ? config.video_config : {};
  const { task } = video;
  if (task === undefined) return undefined;
  const known = TASKS.find((word) => word === task);
  if (known === undefined) throw omniRefusals.unsupported('generation_config.video_config.task', task, TASKS);
  if (known === 'edit' || known === 'extend')
    throw omniRefusals.invalid(`This simulator does not ${known} videos.`);
  if ((images === 0) !== (known === 'text_to_video'))
    throw omniRefusals.invalid(`The input does not fit the video task ${known}.`);
  return known;
}

/** One format, alone or in a list. */
function formatOf(value: unknown): Fields {
  const format: unknown = Array.isArray(value) && value.length === 1 ? value[0] : (value ?? {});
  if (!isObject(format) || (format.type ?? 'video') !== 'video')
    throw omniRefusals.invalid("Invalid input at 'response_format'.");
  return { ...format, type: 'video' };
}

function wordOf<T extends string>(format: Fields, name: string, allowed: readonly T[], fallback: T): T {
  const value = format[name] ?? fallback;
  const found = allowed.find((word) => word === value);
  if (found === undefined) throw omniRefusals.unsupported(`response_format.${name}`, value, allowed);
  return found;
}

/** google.protobuf.Duration as JSON: `"5s"`. A number, or one without its unit, is refused. */
function secondsOf({ duration }: Fields, longest: number): number {
  if (duration === undefined) return DEFAULT_SECONDS;
  const [, text] = /^(\d+(?:\.\d+)?)s$/.exec(String(duration)) ?? [];
  if (typeof duration !== 'string' || text === undefined)
    throw omniRefusals.invalid("Invalid input at 'response_format'.");
  const seconds = Number(text);
  const asked = `Requested video duration ${Math.floor(seconds)}s ${Math.round((seconds % 1) * 1e9)}ns`;
  if (seconds < SHORTEST)
    throw omniRefusals.invalid(`${asked} is less than the minimum allowed ${SHORTEST}s 0ns`);
  if (seconds > longest) throw omniRefusals.invalid(`${asked} exceeds the maximum allowed ${longest}s 0ns`);
  return seconds;
}
