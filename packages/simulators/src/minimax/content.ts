import { refusals } from './errors.ts';

interface Content {
  readonly prompt: string;
  readonly hasFrames: boolean;
  readonly hasMedia: boolean;
}

const FRAMES = ['first_frame', 'last_frame'];
/** "Each text item supports up to 7,000 characters." */
const LONGEST_PROMPT = 7000;
/** "Up to nine reference images." */
const MOST_IMAGES = 9;

/** `content`: exactly one text that is not empty, and images by their role (MiniMax, "Video generation v2"). */
export function readContent(content: unknown): Content {
  const items: Record<string, unknown>[] = Array.isArray(content) ? content : [];
  const [text, second] = items.filter(({ type }) => type === 'text').map((item) => item.text);
  if (typeof text !== 'string' || text === '' || second !== undefined) {
    throw refusals.invalid('content must include a non-empty text item (prompt is required)');
  }
  if (text.length > LONGEST_PROMPT) throw refusals.invalid('prompt is too long');
  const media = items.filter(({ type }) => type !== 'text');
  for (const item of media) if (!isImage(item)) throw refusals.invalid('an image item needs image_url.url');
  const roles = media.map(({ role }) => String(role));
  const frames = roles.filter((role) => FRAMES.includes(role)).length;
  if (frames > 0 && frames < roles.length) {
    throw refusals.invalid('frames and references cannot be used in one request');
  }
  if (roles.length - frames > MOST_IMAGES) throw refusals.invalid('too many reference images');
  return { prompt: text, hasFrames: frames > 0, hasMedia: media.length > 0 };
}

function isImage({ type, image_url: image }: Record<string, unknown>): boolean {
  const url = typeof image === 'object' && image !== null ? Reflect.get(image, 'url') : undefined;
  return type === 'image_url' && typeof url === 'string' && /^(?:https?:|mm_file:|data:image\/)/.test(url);
}
