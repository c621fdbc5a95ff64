import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { wireName } from '../../catalogue/fields.ts';
import { type ImagePlace, imageDemand, imagesGiven } from '../../catalogue/imageLimits.ts';
import type { ImageFormat } from '../../catalogue/model.ts';
import type { DraftReference } from '../../catalogue/validate/references.ts';
import type { CheckedRequest, DraftRequest } from '../../catalogue/validate/request.ts';
import { createFairLimit } from '../../net/fairLimit.ts';
import type { GuardedFetch } from '../../net/guardedFetch.ts';
import type { OnetakeError } from '../../tasks/errors.ts';
import { newId } from '../../tasks/ids.ts';
import type { InputRef, Reference, VideoRequest } from '../../tasks/request.ts';
import type { Clock } from '../../time/clock.ts';
import type { ImageFacts } from '../inspect/image.job.ts';
import { BadImage } from '../inspect/image.ts';
import type { ImageType } from '../inspect/imageHeader.ts';
import type { MediaStorage } from '../media.ts';
import { createImageSource, givenImage, imageTypeOf, refused } from './bytes.ts';
import { type ClipReaderParts, createClipReader, type DraftClip, type StoredClip } from './clips.ts';
import type { FitInput, FitOutput } from './fit.job.ts';
import { type FittedImage, fitted, type ImageRule } from './fit.ts';
import type { GivenImage } from './inlineImage.ts';
import type { InputRow, InputRows } from './rows.ts';

/** Ingests the images, videos and sounds of a request: fetches, decodes or copies them, checks that they are what they should be, and stores them. */
export interface InputReader {
  /**
   * Resolves with the request with its inputs stored, and with their media rows, which the caller marks as present when it
   * accepts the task. Throws a 400 that names the field, or the reason of an aborted signal; then nothing stays stored.
   */
  readAll(
    checked: Pick<CheckedRequest, 'model' | 'draft' | 'imageFit'>,
    projectId: string,
    signal: AbortSignal,
  ): Promise<ReadInputs>;
  /** Removes the stored inputs of a request that was not accepted. */
  discard(media: readonly InputRow[]): Promise<void>;
}

export interface ReadInputs {
  readonly request: VideoRequest;
  readonly media: readonly InputRow[];
  /** What became of the images, if the caller wants them to be fitted. */
  readonly notes: readonly string[];
}

export interface InputReaderParts
  extends Pick<ClipReaderParts, 'probeVideo' | 'probeAudio' | 'openVideo' | 'openFile'> {
  readonly guardedFetch: GuardedFetch;
  readonly storage: MediaStorage;
  /** Decodes an image completely; throws `BadImage`. */
  readonly inspectImage: (path: string) => Promise<ImageFacts>;
  /** Draws an inspected image anew. */
  readonly drawFitting: (input: FitInput) => Promise<FitOutput>;
  readonly store: InputRows;
  readonly clock: Clock;
  readonly maxBytes?: number;
  /** The same of a video or sound. */
  readonly maxClipBytes?: number;
  /** Whether the gateway can give links to images to upstreams that fetch them. */
  readonly hasLinks: boolean;
  /** The timeout for all images of one request, in milliseconds; default: one minute. With videos or sounds, twice as long. */
  readonly fetchAllMs?: number;
}

/** No upstream accepts larger images (10 to 20 MB). */
export const MAX_IMAGE_BYTES = 20 * 2 ** 20;
/** Concurrent fetches, over all projects and per project. They bound memory, and slow hosts of one project do not block others. */
const FETCHED = { total: 24, perTenant: 4 };
/** Concurrent decodes of images from the request body. */
const DECODED_AT_A_TIME = 4;
/** The timeout for all images of a request, from queueing to the last byte. Milliseconds. */
const FETCH_ALL_MS = 60_000;

/** The extensions of stored images. */
export const EXTENSIONS: Readonly<Record<ImageType, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
};

export function createInputReader(parts: InputReaderParts): InputReader {
  const {
    guardedFetch,
    openFile,
    storage,
    inspectImage,
    drawFitting,
    store,
    clock,
    maxBytes = MAX_IMAGE_BYTES,
    hasLinks,
    fetchAllMs = FETCH_ALL_MS,
  } = parts;
  const bytesOf = createImageSource({ guardedFetch, openFile, maxBytes });
  const readClip = createClipReader({
    ...parts,
    ...(parts.maxClipBytes === undefined ? {} : { maxBytes: parts.maxClipBytes }),
  });
  const inTurn = createTurns();

  /** Reads, checks and stores one image. */
  async function read(
    given: GivenImage,
    rule: ImageRule,
    projectId: string,
    signal: AbortSignal,
  ): Promise<StoredImage> {
    const { name, model, demand, fit } = rule;
    if (demand?.by === 'url' && given.kind !== 'url' && !hasLinks) throw needsLink(name, model);
    const bytes = await bytesOf(given, { name, projectId }, signal);
    const contentType = await imageTypeOf(bytes, name);
    signal.throwIfAborted();

    const kept = await keep({ bytes, contentType }, rule, projectId);
    const { row, note } = kept;
    const ref: InputRef = {
      mediaId: row.id,
      contentType: row.contentType,
      bytes: row.bytes,
      width: kept.width,
      height: kept.height,
      // What is there now is not the image that is sent.
      ...(given.kind === 'url' && note === undefined ? { sourceUrl: given.url } : {}),
    };
    const untouched = fit !== 'error' && demand !== undefined;
    return {
      ref,
      row,
      note: note ?? (untouched ? `${name} is sent as given: it fits ${model}.` : undefined),
    };
  }

  /** Stores an image, or the one that takes its place. */
  async function keep(
    { bytes, contentType, note }: Pick<FittedImage, 'bytes' | 'contentType'> & Partial<FittedImage>,
    rule: ImageRule,
    projectId: string,
  ): Promise<KeptImage> {
    const row = rowOf(bytes, contentType, projectId, clock.now());
    // The row comes first and then the bytes, so that the sweep finds what a crash in between leaves.
    await store.putMedia([row]);
    try {
      const write = await storage.write(row.storageKey);
      await write.append(Readable.from([bytes]), 0);
      const facts = await inspectImage(write.path);
      const image = { ...facts, format: formatOf(facts.contentType), bytes: bytes.length };
      const better = await fitted(rule, write.path, image, { draw: drawFitting, maxBytes, hasLinks });
      if (better) {
        await write.abandon();
        await discard([row]);
        // What was drawn is checked like any image, and may not be drawn again.
        return keep(better, { ...rule, fit: 'error', drawnBy: rule.fit }, projectId);
      }
      await write.commit();
      return { row, note, width: facts.width, height: facts.height };
    } catch (error) {
      // If the removal fails, the sweep repeats it. The caller gets the original error.
      await discard([row]).catch(() => undefined);
      throw error instanceof BadImage ? refused(rule.name, error.message, error) : error;
    }
  }

  async function discard(media: readonly InputRow[]): Promise<void> {
    for (const { storageKey } of media) await storage.remove(storageKey);
    await store.removeMedia(media.map(({ id }) => id));
  }

  return {
    async readAll({ model, draft, imageFit: fit }, projectId, asker) {
      const [clips, images] = [clipsOf(draft), imagesOf(draft)];
      if (clips.length + images.length === 0)
        return { request: withStored(draft, new Map()), media: [], notes: [] };
      const stop = new AbortController();
      const allMs = clips.length > 0 ? 2 * fetchAllMs : fetchAllMs;
      const late = AbortSignal.timeout(allMs);
      const signal = AbortSignal.any([stop.signal, asker, late]);
      const stored = new Map<string, StoredImage | StoredClip>();
      const takeIn = async (name: string, work: () => Promise<StoredImage | StoredClip>) => {
        try {
          stored.set(name, await work());
        } catch (error) {
          // One bad input fails the request, so the other fetches are aborted.
          stop.abort(error === late.reason ? tooSlow(name, allMs) : error);
        }
      };
      await Promise.all([
        ...images.map(({ name, place, raw }) =>
          takeIn(name, async () => {
            const rule: ImageRule = { name, model: model.id, demand: imageDemand(model, draft, place), fit };
            const given = givenImage(raw, name);
            return inTurn(given.kind, projectId, signal, () => read(given, rule, projectId, signal));
          }),
        ),
        ...clips.map((clip) =>
          takeIn(clip.field, () =>
            inTurn(originOf(clip), projectId, signal, () => readClip(clip, projectId, signal)),
          ),
        ),
      ]);

      const media = [...stored.values()].map(({ row }) => row);
      if (stop.signal.aborted) {
        await discard(media).catch(() => undefined);
        throw stop.signal.reason;
      }
      return {
        request: withStored(draft, stored),
        media,
        notes: images.flatMap(({ name }) => noteOf(stored.get(name)) ?? []),
      };
    },
    discard,
  };
}

const noteOf = (stored: StoredImage | StoredClip | undefined): string | undefined =>
  stored && 'note' in stored ? stored.note : undefined;

/** `image/png` is `png`. */
const formatOf = (type: ImageType): ImageFormat => type.slice('image/'.length) as ImageFormat;

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

/** Limits how many inputs are fetched and decoded at a time. */
function createTurns() {
  const fetching = createFairLimit(FETCHED);
  const decoding = pLimit(DECODED_AT_A_TIME);

  /** Inputs to fetch wait for their project's turn. Those that are here have a queue of their own, so slow hosts do not delay them. */
  return async <T>(
    kind: GivenImage['kind'],
    projectId: string,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> => {
    if (kind !== 'url') return decoding(work);
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
  readonly note: string | undefined;
}

interface KeptImage {
  readonly row: InputRow;
  readonly width: number;
  readonly height: number;
  /** Set if it took the place of the given one. */
  readonly note: string | undefined;
}

const needsLink = (name: string, model: string): OnetakeError =>
  refused(
    name,
    `${model} takes it only by a public https URL, because the provider fetches it. (With ONETAKE_PUBLIC_URL set, the gateway would give out a link to it.)`,
  );

const tooSlow = (name: string, ms: number): OnetakeError =>
  refused(
    name,
    `the inputs of this request could not be fetched within ${ms / 1000} seconds; send fewer at once, from a faster host, or as data.`,
  );

/** An image as the caller gave it, and its field: `last_frame`, `references[2]`. */
interface NamedImage {
  readonly name: string;
  readonly place: ImagePlace;
  readonly raw: string;
}

/** Lists the images of a request. */
function imagesOf(draft: DraftRequest): NamedImage[] {
  if ((draft.image ?? draft.lastFrame ?? draft.references) === undefined) return [];
  const given = new Map<string, string | undefined>([
    [wireName('image'), draft.image],
    [wireName('lastFrame'), draft.lastFrame],
    ...(draft.references ?? []).map(
      ({ field, from }) => [field, 'given' in from ? from.given : undefined] as const,
    ),
  ]);
  return [...imagesGiven(draft)].flatMap(([name, place]) => {
    const raw = given.get(name);
    return raw === undefined ? [] : [{ name, place, raw }];
  });
}

/** Lists the videos and sounds of a request. */
const clipsOf = ({ references = [] }: DraftRequest): DraftClip[] =>
  references.filter((reference): reference is DraftClip => reference.type !== 'image');

/** Where the bytes of a clip come from: another host, or here. */
const originOf = ({ from }: DraftClip): GivenImage['kind'] =>
  'given' in from && /^https?:/i.test(from.given) ? 'url' : 'base64';

/** The request with each input replaced by what is stored for its field. */
function withStored(
  draft: DraftRequest,
  stored: ReadonlyMap<string, StoredImage | StoredClip>,
): VideoRequest {
  const { image: _, lastFrame: __, references, ...rest } = draft;
  const imageOf = (name: string): InputRef | undefined => {
    const found = stored.get(name);
    return found && 'ref' in found ? found.ref : undefined;
  };
  const referenceOf = ({ field, role }: DraftReference): Reference[] => {
    const found = stored.get(field);
    if (!found) return [];
    if ('reference' in found) return [found.reference];
    return [{ type: 'image', ...(role === undefined ? {} : { role }), input: found.ref }];
  };
  const image = imageOf(wireName('image'));
  const lastFrame = imageOf(wireName('lastFrame'));
  return {
    ...rest,
    ...(image ? { image } : {}),
    ...(lastFrame ? { lastFrame } : {}),
    ...(references ? { references: references.flatMap(referenceOf) } : {}),
  };
}
