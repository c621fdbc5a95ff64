import { imageSize } from '../openai/imageSize.ts';
import { refusals } from './errors.ts';
import type { SeedanceModel } from './models.ts';

/** The parsed `content` of a request. */
export interface Content {
  readonly text: string;
  /** Reference videos. */
  readonly videos: number;
  /** The links of all media, which Ark would fetch. */
  readonly links: readonly string[];
  /** As messages abbreviate it: text, image or reference to video. */
  readonly task: 't2v' | 'i2v' | 'r2v';
  readonly frames: boolean;
  /** The position of the first image in the array. */
  readonly imageAt: number | undefined;
  /** The size of the first frame in pixels, if it came as readable bytes. */
  readonly picture: readonly [width: number, height: number] | undefined;
}

type Item = Readonly<Record<string, unknown>>;

interface Media {
  readonly role: string;
  readonly url: string;
}

/** The roles of each kind of item. An image without a role is a first frame. */
const ROLES: Readonly<Record<string, readonly string[]>> = {
  image_url: ['first_frame', 'last_frame', 'reference_image'],
  video_url: ['reference_video'],
  audio_url: ['reference_audio'],
};

/** Reads `content`. Refuses items that the model does not take and combinations that are not allowed. */
export function readContent(value: unknown, model: SeedanceModel): Content {
  if (!Array.isArray(value) || value.length === 0) throw refusals.missing('content');
  const given: readonly unknown[] = value;
  const items = given.map((item) => (isObject(item) ? item : {}));
  const texts = items.filter(({ type }) => type === 'text').map(textOf);
  const media = items.flatMap((item, index) => (item.type === 'text' ? [] : [readItem(item, index)]));
  if (texts.length === 0 && media.length === 0) throw refusals.missing('content');
  const frames = media.filter(({ role }) => role === 'first_frame' || role === 'last_frame');
  const references = media.filter((item) => !frames.includes(item));
  checkFrames(frames, model);
  checkReferences(references, model);
  if (frames.length > 0 && references.length > 0) {
    throw refusals.invalidContent('first/last frame content cannot be mixed with reference media content');
  }
  const first = frames.find(({ role }) => role === 'first_frame');
  const imageAt = items.findIndex(({ type }) => type === 'image_url');
  return {
    text: texts.join('\n'),
    links: media.map(({ url }) => url).filter((url) => !url.startsWith('data:')),
    videos: references.filter(({ role }) => role === 'reference_video').length,
    task: frames.length > 0 ? 'i2v' : references.length > 0 ? 'r2v' : 't2v',
    frames: frames.length > 0,
    imageAt: imageAt < 0 ? undefined : imageAt,
    picture: first && pictureOf(first.url),
  };
}

function textOf({ text }: Item): string {
  if (typeof text !== 'string' || text.trim() === '') throw refusals.missing('content.text');
  return text;
}

function readItem(item: Item, index: number): Media {
  const type = typeof item.type === 'string' ? item.type : '';
  const roles = ROLES[type];
  if (!roles) throw refusals.invalidContent(`The parameter \`content[${index}].type\` is not valid.`);
  const role = item.role ?? (type === 'image_url' ? 'first_frame' : undefined);
  if (typeof role !== 'string' || !roles.includes(role)) {
    throw refusals.invalidContent(`The parameter \`content[${index}].role\` is not valid.`);
  }
  const inner = item[type];
  const url = isObject(inner) ? inner.url : undefined;
  if (typeof url !== 'string' || !isAddress(url, type)) {
    throw refusals.invalidContent(`The parameter \`content[${index}].${type}\` is not valid.`);
  }
  const most = LARGEST[type];
  if (most !== undefined && url.startsWith('data:') && bytesOf(url) > most) {
    throw refusals.invalidContent(`The parameter \`content[${index}].${type}\` is too large.`);
  }
  return { role, url };
}

/** "Create a video generation task": an image below 30 MB, audio of at most 15 MB. Bytes. */
const LARGEST: Readonly<Record<string, number>> = {
  image_url: 30 * 1024 * 1024 - 1,
  audio_url: 15 * 1024 * 1024,
};

const bytesOf = (dataUrl: string): number =>
  Buffer.byteLength(dataUrl.slice(dataUrl.indexOf(',') + 1), 'base64');

/** A URL, an asset, or for images and audio bytes: `data:image/<lower case>;base64,…`. */
function isAddress(url: string, type: string): boolean {
  if (/^(?:https?|asset):\/\/./.test(url)) return true;
  const kind = type === 'image_url' ? 'image' : 'audio';
  return type !== 'video_url' && new RegExp(`^data:${kind}/[a-z0-9.+-]+;base64,[A-Za-z0-9+/]+=*$`).test(url);
}

function checkFrames(frames: readonly Media[], model: SeedanceModel): void {
  const count = (role: string): number => frames.filter((item) => item.role === role).length;
  const [first, last] = [count('first_frame'), count('last_frame')];
  if (first > 1 || last > 1) throw refusals.invalidContent('only one first and one last frame can be given');
  if (last > 0 && first === 0) throw refusals.invalidContent('last_frame requires first_frame');
  if (last > 0 && !model.lastFrame) throw refusals.invalid('content', model.name, 'i2v');
}

function checkReferences(references: readonly Media[], model: SeedanceModel): void {
  if (references.length === 0) return;
  const most = model.references;
  const audioAlone = references.every(({ role }) => role === 'reference_audio');
  const tooMany = (['reference_image', 'reference_video', 'reference_audio'] as const).some(
    (role) => references.filter((item) => item.role === role).length > (most?.[role] ?? 0),
  );
  if (!most || tooMany || (audioAlone && !most.audioAlone)) {
    throw refusals.invalid('content', model.name, 'r2v');
  }
}

function pictureOf(url: string): readonly [number, number] | undefined {
  const [, data] = /^data:[^,]*;base64,(.*)$/s.exec(url) ?? [];
  const size = data === undefined ? undefined : imageSize(Buffer.from(data, 'base64'));
  return size && [size.width, size.height];
}

const isObject = (value: unknown): value is Item =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
