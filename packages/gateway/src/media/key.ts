import { randomBytes } from 'node:crypto';

/** A kind and a name of our own making. Without dots and slashes in the name there is no way out of a folder. */
const KEY = /^[a-z]{1,32}\/[A-Za-z0-9_-]{1,128}\.[a-z0-9]{1,8}$/;

/** Whether a name is spelled like a key of media storage: `video/<id>.mp4`. */
export const isMediaKey = (key: string): boolean => KEY.test(key);

/** Throws where `key` is none: a bug of ours, never a caller's words. */
export function requireMediaKey(key: string): void {
  if (!isMediaKey(key)) throw new Error(`"${key}" is not a media key; keys look like video/<id>.mp4`);
}

/** Stands before what tells a later key of a row from its first; no id has it. */
const LATER = '_';

/** The id of the media row that a key belongs to. */
export function mediaIdOf(key: string): string {
  const [id = ''] = key.slice(key.indexOf('/') + 1, key.lastIndexOf('.')).split(LATER);
  return id;
}

/** Another key for the same row, which nobody has used: `video/<id>_<8 hex digits>.mp4`. */
export const anotherKey = (key: string): string => laterKey(key, randomBytes(4).toString('hex'));

/** The key of the same row that has this name. */
export function laterKey(key: string, name: string): string {
  const dot = key.lastIndexOf('.');
  const [first] = key.slice(0, dot).split(LATER);
  return `${first}${LATER}${name}${key.slice(dot)}`;
}

/** What `read` throws for an object that is not there. */
export class MissingObject extends Error {
  constructor(key: string) {
    super(`there is no ${key} in media storage`);
    this.name = 'MissingObject';
  }
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  mp4: 'video/mp4',
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
};

/** What a storage that keeps types writes beside the bytes. */
export const contentTypeOf = (key: string): string =>
  CONTENT_TYPES[key.slice(key.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
