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

/** Takes in the images of a request: fetches or decodes them, checks that they are images, stores them. */
export interface InputReader {
  /**
   * The request with its images stored, and their media rows, to be marked present by whoever accepts the task. Throws
   * a 400 that names the field, or the reason of an aborted signal; then nothing is left behind.
   */
  readAll(
    checked: Pick<CheckedRequest, 'draft'>,
    projectId: string,
    signal: AbortSignal,
  ): Promise<ReadInputs>;
  /** Removes stored images of a request that was not accepted. */
  discard(media: readonly InputRow[]): Promise<void>;
}

export interface ReadInputs {
  readonly request: VideoRequest;
  readonly media: readonly InputRow[];
}

/** The media row of an input, as the store keeps it. */
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
  /** Truly decodes an image; throws `BadImage`. */
  readonly inspectImage: (path: string) => Promise<ImageFacts>;
  /** As much of the store as rows need. */
  readonly store: {
    putMedia(rows: readonly InputRow[]): Promise<void>;
    removeMedia(ids: readonly string[]): Promise<void>;
  };
  readonly clock: Clock;
  readonly maxBytes?: number;
  /** For all images of one request, milliseconds; a minute unless told. */
  readonly fetchAllMs?: number;
}

/** As much as any upstream takes (10 to 20 MB). */
const MAX_BYTES = 20 * 2 ** 20;
/** Images fetched at a time, which bounds the memory that they take: over all projects, and for one, whose hosts may be slow. */
const FETCHED = { total: 24, perTenant: 4 };
/** Images in requests themselves that are decoded at a time. */
const DECODED_AT_A_TIME = 4;
/** For all images of a request, from the wait for a place to the last byte. Milliseconds. */
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
  const fetching = createFairLimit(FETCHED);
  const decoding = pLimit(DECODED_AT_A_TIME);

  /** Reads, checks and stores one image; `name` is its field, for errors. */
  async function read(
    given: GivenImage,
    name: string,
    projectId: string,
    signal: AbortSignal,
  ): Promise<StoredImage> {
    signal.throwIfAborted();
    const bytes = await bytesOf(given, name, signal);
    const contentType = await imageTypeOf(bytes, name);
    signal.throwIfAborted();

    const id = newId();
    const row: InputRow = {
      id,
      projectId,
      kind: 'input',
      storageKey: `input/${id}.${EXTENSIONS[contentType]}`,
      contentType,
      state: 'pending',
      bytes: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      createdAt: clock.now(),
    };
    const { width, height } = await keep(row, bytes, name);
    const ref: InputRef = {
      mediaId: id,
      contentType,
      bytes: bytes.length,
      width,
      height,
      ...(given.kind === 'url' ? { sourceUrl: given.url } : {}),
    };
    return { ref, row };
  }

  /** Images that are elsewhere wait for their project's turn; slow hosts hold up no inline image. */
  async function inTurn<T>(
    { kind }: GivenImage,
    projectId: string,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    if (kind === 'base64') return decoding(work);
    const release = await fetching.acquire(projectId, 1, signal);
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** Row first, then bytes: what a crash leaves in between, the sweep finds. */
  async function keep(row: InputRow, bytes: Buffer, name: string): Promise<ImageFacts> {
    await store.putMedia([row]);
    try {
      const write = await storage.write(row.storageKey);
      await write.append(Readable.from([bytes]), 0);
      const facts = await inspectImage(write.path);
      await write.commit();
      return facts;
    } catch (error) {
      // A failure to tidy up is the sweep's to mend; the caller hears of what went wrong first.
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
          // One bad image spoils the request: the others need not be fetched to their end.
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
