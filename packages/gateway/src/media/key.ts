import { randomBytes } from 'node:crypto';

/** A kind and a generated name. The name has no dots or slashes, so a key cannot leave its folder. */
const KEY = /^[a-z]{1,32}\/[A-Za-z0-9_-]{1,128}\.[a-z0-9]{1,8}$/;

/** Whether a name has the form of a media key: `video/<id>.mp4`. */
export const isMediaKey = (key: string): boolean => KEY.test(key);

/** Throws if `key` is not a media key. That is a bug in the gateway: keys never come from callers. */
export function requireMediaKey(key: string): void {
  if (!isMediaKey(key)) throw new Error(`"${key}" is not a media key; keys look like video/<id>.mp4`);
}

/** Separates the id from the suffix that tells a row's later keys from its first. No id contains it. */
const LATER = '_';

/** The id of the media row that a key belongs to. */
export function mediaIdOf(key: string): string {
  const [id = ''] = key.slice(key.indexOf('/') + 1, key.lastIndexOf('.')).split(LATER);
  return id;
}

/** A new, unused key for the same row: `video/<id>_<8 hex digits>.mp4`. */
export const anotherKey = (key: string): string => laterKey(key, randomBytes(4).toString('hex'));

/** The key of the same row with this file name. */
export function laterKey(key: string, name: string): string {
  const dot = key.lastIndexOf('.');
  const [first] = key.slice(0, dot).split(LATER);
  return `${first}${LATER}${name}${key.slice(dot)}`;
}

/** The error that `read` throws for an object that does not exist. */
export class MissingObject extends Error {
  constructor(key: string) {
    super(`there is no ${key} in media storage`);
    this.name = 'MissingObject';
  }
}

/** By extension: what is stored, and so what is sent. */
export const CONTENT_TYPES: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
  mov: 'video/quicktime',
  webm: 'video/webm',
  wav: 'audio/wav',
  mp3: 'audio/mpeg',
};

/** The extension of files of a content type. */
export const extensionOf = (contentType: string): string =>
  Object.entries(CONTENT_TYPES).find(([, type]) => type === contentType)?.[0] ?? 'bin';

/** The content type of a key, for storages that store one with each object. */
export const contentTypeOf = (key: string): string =>
  CONTENT_TYPES[key.slice(key.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
