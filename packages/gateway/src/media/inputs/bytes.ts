import { addAbortSignal, type Readable } from 'node:stream';
import { fileTypeFromBuffer } from 'file-type';
import { FetchError } from '../../net/fetchError.ts';
import type { GuardedFetch } from '../../net/guardedFetch.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { ImageType } from '../inspect/imageHeader.ts';
import { base64Bytes, decodeBase64, type GivenImage, readGivenImage } from './inlineImage.ts';

/** Fetches, decodes or reads the bytes of an image; only their length is checked. Throws a 400 that names the field, `name`. */
export type ImageSource = (given: GivenImage, asked: Asked, signal: AbortSignal) => Promise<Buffer>;

interface Asked {
  readonly name: string;
  readonly projectId: string;
}

/** An uploaded file. */
export interface OwnFile {
  readonly contentType: string;
  readonly bytes: number;
  read(): Promise<Readable>;
}

/** Finds an uploaded file of the project. Throws a 404 that names the field if there is none. */
export type OpenFile = (id: string, projectId: string, field: string) => Promise<OwnFile>;

const MIB = 2 ** 20;

const IMAGE_TYPES: readonly string[] = ['image/png', 'image/jpeg', 'image/webp'] satisfies ImageType[];
export const isImageType = (type: string): type is ImageType => IMAGE_TYPES.includes(type);

const WANTED = 'give a public URL of a PNG, JPEG or WebP image, or the image itself as a data URL';

/** Creates a source of images from URLs, from data in the request and from uploaded files, of at most `maxBytes` each. */
export function createImageSource({
  guardedFetch,
  openFile,
  maxBytes,
}: {
  guardedFetch: GuardedFetch;
  openFile: OpenFile;
  maxBytes: number;
}): ImageSource {
  const tooLarge = (name: string): OnetakeError => imageTooLarge(name, maxBytes);

  async function fetched(url: string, name: string, signal: AbortSignal): Promise<Buffer> {
    const { status, body } = await guardedFetch(url, {
      headers: { accept: IMAGE_TYPES.join(', ') },
      accept: mayBeImage,
      maxBytes,
      signal,
    }).catch((error: unknown) => {
      throw error instanceof FetchError ? explained(error, name) : error;
    });
    if (status >= 200 && status <= 299) return body;
    throw refused(name, `the URL answered ${status}; ${WANTED}.`);
  }

  function explained(error: FetchError, name: string): OnetakeError {
    switch (error.problem) {
      case 'too_large':
        return tooLarge(name);
      case 'wrong_type':
        return refused(name, `the URL answered with something else than an image; ${WANTED}.`, error);
      default:
        return refused(name, `${error.message}, or give the image itself as a data URL.`, error);
    }
  }

  function decoded(base64: string, name: string): Buffer {
    if (base64Bytes(base64) > maxBytes) throw tooLarge(name);
    const bytes = decodeBase64(base64);
    if (bytes) return bytes;
    throw refused(
      name,
      'this is not valid base64; send the standard alphabet with padding, without line breaks.',
    );
  }

  async function uploaded(id: string, { name, projectId }: Asked, signal: AbortSignal): Promise<Buffer> {
    const file = await openFile(id, projectId, name);
    if (!isImageType(file.contentType)) throw notOfType(name, 'an image', file);
    if (file.bytes > maxBytes) throw tooLarge(name);
    return readUntil(await file.read(), signal, async (pieces) =>
      Buffer.concat(await Array.fromAsync(pieces)),
    );
  }

  return async (given, asked, signal) => {
    switch (given.kind) {
      case 'url':
        return fetched(given.url, asked.name, signal);
      case 'base64':
        return decoded(given.base64, asked.name);
      case 'file':
        return uploaded(given.id, asked, signal);
    }
  };
}

export const imageTooLarge = (name: string, maxBytes: number): OnetakeError =>
  refused(name, `the image is larger than ${Math.floor(maxBytes / MIB)} MiB; send a smaller one.`);

/** A 400 about a file that is something else than what the field takes. */
export const notOfType = (name: string, wanted: string, { contentType }: OwnFile): OnetakeError =>
  refused(name, `the file is ${contentType}, and not ${wanted}; give the id of another.`);

/** Gives stored bytes to `take` until the signal, however their storage hangs. Throws the reason of the signal. */
export async function readUntil<T>(
  stored: Readable,
  signal: AbortSignal,
  take: (pieces: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  // Its errors are those of `take`, which may not read it yet.
  addAbortSignal(
    signal,
    stored.on('error', () => undefined),
  );
  try {
    return await take(stored);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    stored.destroy();
  }
}

/** Parses the value of an image field. Throws a 400 if it is neither a URL nor image data. */
export function givenImage(raw: string, name: string): GivenImage {
  const given = readGivenImage(raw);
  if (given) return given;
  throw refused(name, `this is neither an http or https URL nor base64; ${WANTED}.`);
}

/** Detects the image type from the first bytes. Throws a 400 if it is not supported. */
export async function imageTypeOf(bytes: Buffer, name: string): Promise<ImageType> {
  const type = (await fileTypeFromBuffer(bytes))?.mime ?? 'of no known type';
  if (isImageType(type)) return type;
  throw refused(name, `the file is not a PNG, JPEG or WebP image, but ${type}; convert it.`);
}

/** A 400 about one field. */
export const refused = (name: string, message: string, cause?: unknown): OnetakeError =>
  new OnetakeError('invalid_request', 400, `${name}: ${message}`, { param: name }, cause);

/** Many hosts send no content type, or only `application/octet-stream`. */
const mayBeImage = (contentType: string): boolean =>
  contentType === '' || /^(image\/|(application|binary)\/octet-stream)/i.test(contentType);
