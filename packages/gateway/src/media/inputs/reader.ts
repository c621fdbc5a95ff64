import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { wireName } from '../../catalogue/fields.ts';
import type { CheckedRequest, DraftRequest } from '../../catalogue/validate/request.ts';
import { createFairLimit } from '../../net/fairLimit.ts';
import type { GuardedFetch } from '../../net/guardedFetch.ts';
import type { OnetakeError } from '../../tasks/errors.ts';
import { newId } from '../../tasks/ids.ts';
import type { InputRef, VideoRequest } from '../../tasks/request.ts';
import type { Clock } from '../../time/clock.ts';
import type { ImageFacts } from '../inspect/image.job.ts';
import { BadImage } from '../inspect/image.ts';
import type { ImageType } from '../inspect/imageHeader.ts';
import type { MediaStorage } from '../media.ts';
import { createImageSource, givenImage, imageTypeOf, refused } from './bytes.ts';
import type { GivenImage } from './inlineImage.ts';

/** Ingests the images of a request: fetches or decodes them, checks that they are images, and stores them. */
export interface InputReader {
  /**
   * Resolves with the request with its images stored, and with their media rows, which the caller marks as present when it
   * accepts the task. Throws a 400 that names the field, or the reason of an aborted signal; then nothing stays stored.
   */
  readAll(
    checked: Pick<CheckedRequest, 'draft'>,
    projectId: string,
    signal: AbortSignal,
  ): Promise<ReadInputs>;
  /** Removes the stored images of a request that was not accepted. */
  discard(media: readonly InputRow[]): Promise<void>;
}

export interface ReadInputs {
  readonly request: VideoRequest;
  readonly media: readonly InputRow[];
}

/** The media row of an input. */
export interface InputRow {
  readonly id: string;
  readonly projectId: string;
  readonly kind: 'input';
  readonly storageKey: string;
  readonly contentType: string;
  readonly state: 'pending' | 'present';
  readonly bytes: number;
  /** Hex SHA-256. */
  readonly sha256: string;
  readonly createdAt: number;
}

export interface InputReaderParts {
  readonly guardedFetch: GuardedFetch;
  readonly storage: MediaStorage;
  /** Decodes an image completely; throws `BadImage`. */
  readonly inspectImage: (path: string) => Promise<ImageFacts>;
  /** The part of the store that media rows need. */
  readonly store: {
    putMedia(rows: readonly InputRow[]): Promise<void>;
    removeMedia(ids: readonly string[]): Promise<void>;
  };
  readonly clock: Clock;
  readonly maxBytes?: number;
  /** The timeout for all images of one request, in milliseconds; default: one minute. */
  readonly fetchAllMs?: number;
}

/** No upstream accepts larger images (10 to 20 MB). */
const MAX_BYTES = 20 * 2 ** 20;
/** Concurrent fetches, over all projects and per project. They bound memory, and slow hosts of one project do not block others. */
const FETCHED = { total: 24, perTenant: 4 };
/** Concurrent decodes of images from the request body. */
const DECODED_AT_A_TIME = 4;
/** The timeout for all images of a request, from queueing to the last byte. Milliseconds. */
const FETCH_ALL_MS = 60_000;

const EXTENSIONS: Readonly<Record<ImageType, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
};

export function createInputReader(parts: InputReaderParts): InputReader {
  const {
    guardedFetch,
    storage,
    inspectImage,
    store,
    clock,
    maxBytes = MAX_BYTES,
    fetchAllMs = FETCH_ALL_MS,
  } = parts;
  const bytesOf = createImageSource({ guardedFetch, maxBytes });
  const inTurn = createTurns();

  /** Reads, checks and stores one image; `name` is its field, for errors. */
  async function read(
    given: GivenImage,
    name: string,
    projectId: string,
    signal: AbortSignal,
  ): Promise<StoredImage> {
    const bytes = await bytesOf(given, name, signal);
    const contentType = await imageTypeOf(bytes, name);
    signal.throwIfAborted();

    const row = rowOf(bytes, contentType, projectId, clock.now());
    const { width, height } = await keep(row, bytes, name);
    const ref: InputRef = {
      mediaId: row.id,
      contentType,
      bytes: bytes.length,
      width,
      height,
      ...(given.kind === 'url' ? { sourceUrl: given.url } : {}),
    };
    return { ref, row };
  }

  /** Stores the row first and then the bytes, so that the sweep finds what a crash in between leaves. */
  async function keep(row: InputRow, bytes: Buffer, name: string): Promise<ImageFacts> {
    await store.putMedia([row]);
    try {
      const write = await storage.write(row.storageKey);
      await write.append(Readable.from([bytes]), 0);
      const facts = await inspectImage(write.path);
      await write.commit();
      return facts;
    } catch (error) {
      // If the removal fails, the sweep repeats it. The caller gets the original error.
      await discard([row]).catch(() => undefined);
      throw error instanceof BadImage ? refused(name, error.message, error) : error;
    }
  }

  async function discard(media: readonly InputRow[]): Promise<void> {
    for (const { storageKey } of media) await storage.remove(storageKey);
    await store.removeMedia(media.map(({ id }) => id));
  }

  return {
    async readAll({ draft }, projectId, asker) {
      const stop = new AbortController();
      const late = AbortSignal.timeout(fetchAllMs);
      const signal = AbortSignal.any([stop.signal, asker, late]);
      const stored = new Map<string, StoredImage>();
      const takeIn = async ({ name, raw }: NamedImage) => {
        try {
          const given = givenImage(raw, name);
          stored.set(
            name,
            await inTurn(given, projectId, signal, () => read(given, name, projectId, signal)),
          );
        } catch (error) {
          // One bad image fails the request, so the other fetches are aborted.
          stop.abort(error === late.reason ? tooSlow(name, fetchAllMs) : error);
        }
      };
      await Promise.all(imagesOf(draft).map(takeIn));

      const media = [...stored.values()].map(({ row }) => row);
      if (stop.signal.aborted) {
        await discard(media).catch(() => undefined);
        throw stop.signal.reason;
      }
      return { request: withStored(draft, (name) => stored.get(name)?.ref), media };
    },
    discard,
  };
}

function rowOf(bytes: Buffer, contentType: ImageType, projectId: string, createdAt: number): InputRow {
  const id = newId();
  return {
    id,
    projectId,
    kind: 'input',
    storageKey: `input/${id}.${EXTENSIONS[contentType]}`,
    contentType,
    state: 'pending',
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    createdAt,
  };
}

/** Limits how many images are fetched and decoded at a time. */
function createTurns() {
  const fetching = createFairLimit(FETCHED);
  const decoding = pLimit(DECODED_AT_A_TIME);

  /** Images to fetch wait for their project's turn. Inline images have a queue of their own, so slow hosts do not delay them. */
  return async <T>(
    { kind }: GivenImage,
    projectId: string,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> => {
    if (kind === 'base64') return decoding(work);
    const release = await fetching.acquire(projectId, 1, signal);
    try {
      return await work();
    } finally {
      release();
    }
  };
}

interface StoredImage {
  readonly ref: InputRef;
  readonly row: InputRow;
}

const tooSlow = (name: string, ms: number): OnetakeError =>
  refused(
    name,
    `the images of this request could not be fetched within ${ms / 1000} seconds; send fewer at once, from a faster host, or as data URLs.`,
  );

/** An image as the caller gave it, and its field: `last_frame`, `reference_images[2]`. */
interface NamedImage {
  readonly name: string;
  readonly raw: string;
}

/** Lists the images of a request. */
function imagesOf({ image, lastFrame, referenceImages = [] }: DraftRequest): NamedImage[] {
  return [
    ...(image === undefined ? [] : [{ name: wireName('image'), raw: image }]),
    ...(lastFrame === undefined ? [] : [{ name: wireName('lastFrame'), raw: lastFrame }]),
    ...referenceImages.map((raw, index) => ({ name: referenceName(index), raw })),
  ];
}

/** The request with each image replaced by what `stored` returns for its field. */
function withStored(draft: DraftRequest, stored: (name: string) => InputRef | undefined): VideoRequest {
  const { image: _, lastFrame: __, referenceImages, ...rest } = draft;
  const image = stored(wireName('image'));
  const lastFrame = stored(wireName('lastFrame'));
  return {
    ...rest,
    ...(image ? { image } : {}),
    ...(lastFrame ? { lastFrame } : {}),
    ...(referenceImages
      ? { referenceImages: referenceImages.flatMap((_raw, index) => stored(referenceName(index)) ?? []) }
      : {}),
  };
}

const referenceName = (index: number): string => `${wireName('referenceImages')}[${index}]`;
