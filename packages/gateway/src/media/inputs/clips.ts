import { Readable } from 'node:stream';
import type { DraftReference } from '../../catalogue/validate/references.ts';
import { FetchError } from '../../net/fetchError.ts';
import type { GuardedFetch } from '../../net/guardedFetch.ts';
import { OnetakeError } from '../../tasks/errors.ts';
import type { AudioRef, Reference, StoredInput, VideoRef } from '../../tasks/request.ts';
import type { Clock } from '../../time/clock.ts';
import type { AudioVerdict } from '../inspect/audio.job.ts';
import type { ProbeVerdict } from '../inspect/probe.job.ts';
import type { MediaStorage } from '../media.ts';
import { notOfType, type OpenFile, readUntil, refused } from './bytes.ts';
import { base64Bytes, decodedPieces, readGivenImage } from './inlineImage.ts';
import type { InputRow, InputRows } from './rows.ts';
import { stage } from './staged.ts';

/** A reference that is a video or sound, before it is read. */
export type DraftClip = DraftReference & { readonly type: 'video' | 'audio' };

export interface StoredClip {
  readonly reference: Reference;
  readonly row: InputRow;
}

/** Reads, probes and stores a reference video or sound. Throws a 400 that names its field; then nothing stays stored. */
export type ClipReader = (clip: DraftClip, projectId: string, signal: AbortSignal) => Promise<StoredClip>;

/** What measures videos and sounds. */
export interface ClipProbes {
  readonly probeVideo: (path: string) => Promise<ProbeVerdict>;
  readonly probeAudio: (path: string) => Promise<AudioVerdict>;
}

export interface ClipReaderParts extends ClipProbes {
  readonly guardedFetch: GuardedFetch;
  readonly storage: MediaStorage;
  readonly store: InputRows;
  readonly openFile: OpenFile;
  /** Opens the video of a finished task of the project. Throws a 400 that names the field. */
  readonly openVideo: (taskId: string, projectId: string, field: string) => Promise<Readable>;
  readonly clock: Clock;
  /** Bytes. */
  readonly maxBytes?: number;
}

/** No upstream takes a larger video (100 to 200 MB). */
const MAX_CLIP_BYTES = 200 * 2 ** 20;
/** A large video from a slow host. The request of the client waits for it. Milliseconds. */
const FETCH_MS = 100_000;

type Format = 'mp4' | 'mov' | 'webm' | 'wav' | 'mp3';

const isVideoFormat = (name: string): name is 'mp4' | 'mov' | 'webm' => ['mp4', 'mov', 'webm'].includes(name);

/** What a file turned out to be. */
interface Measured {
  readonly format: Format;
  readonly facts: Omit<VideoRef, keyof StoredInput> | Omit<AudioRef, keyof StoredInput>;
}

export function createClipReader(parts: ClipReaderParts): ClipReader {
  return async (clip, projectId, signal) => {
    const staged = await stage<InputRow>(parts, 'input', projectId);
    try {
      await send(parts, clip, projectId, signal, staged.fill);
      signal.throwIfAborted();
      const { format, facts } = await measured(parts, clip, staged.path);
      const row = await staged.commit(format);
      const { id: mediaId, contentType, bytes } = row;
      const input = { mediaId, contentType, bytes, ...sourceOf(clip), ...facts };
      return { row, reference: referenceOf(clip, input) };
    } catch (error) {
      await staged.discard();
      throw error;
    }
  };
}

/** `measured` has read the file as what the type of the reference says. */
const referenceOf = ({ type, role }: DraftClip, input: StoredInput): Reference =>
  ({ type, ...(role === undefined ? {} : { role }), input }) as Reference;

function sourceOf({ from }: DraftClip): Pick<StoredInput, 'sourceUrl'> {
  return 'given' in from && /^https?:/i.test(from.given) ? { sourceUrl: from.given } : {};
}

/** Gives the bytes to `take`, wherever they are. */
async function send(
  { guardedFetch, openVideo, openFile, maxBytes = MAX_CLIP_BYTES }: ClipReaderParts,
  { from, field, type }: DraftClip,
  projectId: string,
  signal: AbortSignal,
  take: (pieces: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const tooLarge = () =>
    refused(
      field,
      `the ${NOUNS[type]} is larger than ${Math.floor(maxBytes / 2 ** 20)} MiB; send a smaller one.`,
    );
  if ('videoId' in from) {
    const video = await openVideo(from.videoId, projectId, field);
    return readUntil(video, signal, (pieces) => take(atMost(maxBytes, pieces, tooLarge)));
  }
  const given = readGivenImage(from.given);
  if (!given) throw refused(field, `data must be a data URL or base64 of the ${NOUNS[type]}.`);
  if (given.kind === 'file') {
    const file = await openFile(given.id, projectId, field);
    if (!file.contentType.startsWith(`${type}/`)) throw notOfType(field, `a ${NOUNS[type]}`, file);
    if (file.bytes > maxBytes) throw tooLarge();
    return readUntil(await file.read(), signal, (pieces) => take(atMost(maxBytes, pieces, tooLarge)));
  }
  if (given.kind === 'base64') {
    if (base64Bytes(given.base64) > maxBytes) throw tooLarge();
    const invalid = () =>
      refused(
        field,
        'data is not valid base64; send the standard alphabet with padding, without line breaks.',
      );
    return take(Readable.from(decodedPieces(given.base64, invalid)));
  }
  try {
    const { status } = await guardedFetch(given.url, {
      headers: { accept: `${type}/*` },
      accept: (contentType) => mayBe(type, contentType),
      maxBytes,
      timeoutMs: FETCH_MS,
      signal,
      into: take,
    });
    if (status < 200 || status > 299) {
      throw refused(
        field,
        `the URL answered ${status}; give a public URL of the ${NOUNS[type]}, or the file as data.`,
      );
    }
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    if (error.problem === 'too_large') throw tooLarge();
    throw error.problem === 'wrong_type'
      ? refused(
          field,
          `the URL answered with something else than a ${NOUNS[type]}; give that of the file itself.`,
          error,
        )
      : refused(field, `${error.message}, or give the file as data.`, error);
  }
}

/** Throws if there is more. */
export async function* atMost(
  bytes: number,
  pieces: AsyncIterable<Buffer>,
  tooLarge: () => Error,
): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const piece of pieces) {
    left -= piece.length;
    if (left < 0) throw tooLarge();
    yield piece;
  }
}

const NOUNS: Readonly<Record<DraftClip['type'], string>> = { video: 'video', audio: 'sound file' };

/** Many hosts send no content type, or only `application/octet-stream`. */
const mayBe = (type: DraftClip['type'], contentType: string): boolean =>
  contentType === '' ||
  contentType.toLowerCase().startsWith(`${type}/`) ||
  /^(application|binary)\/octet-stream/i.test(contentType);

/** What a video or sound is. Throws a 400 that names its field if it is no such thing. */
export async function measured(
  { probeVideo, probeAudio }: ClipProbes,
  { type, field }: Pick<DraftClip, 'type' | 'field'>,
  path: string,
): Promise<Measured> {
  if (type === 'audio') {
    const verdict = await probeAudio(path);
    if (verdict.ok) return { format: verdict.format, facts: { duration: verdict.seconds } };
    throw verdict.problem === 'truncated'
      ? refused(field, 'the sound file is damaged or incomplete; send the whole file.')
      : refused(field, 'the file is not WAV or MP3; convert it.');
  }
  const verdict = await probeVideo(path);
  if (!verdict.ok) {
    throw verdict.problem === 'truncated'
      ? refused(field, 'the video is damaged or incomplete; send the whole file.')
      : refused(field, 'the file is not a video in MP4, MOV or WebM; convert it.');
  }
  const { container, duration, width, height, fps } = verdict.probe;
  if (isVideoFormat(container)) return { format: container, facts: { duration, width, height, fps } };
  throw refused(field, `the video is ${container}, not MP4, MOV or WebM; convert it.`);
}

/** A 400 about a task that a reference names. */
export const refusedVideo = (field: string, why: string): OnetakeError =>
  new OnetakeError('invalid_request', 400, `${field}: video_id ${why}`, { param: `${field}.video_id` });
