import { Readable } from 'node:stream';
import { MAX_ANSWER_BYTES } from '../http/boundedBody.ts';
import { UpstreamError } from '../provider.ts';

type Names = ReadonlySet<string>;

/** Members that hold a video: the first at Vertex AI, the second in the protocol of the Gemini API. */
const MEMBERS: Names = new Set(['bytesBase64Encoded', 'encodedVideo']);
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

/** A part of a JSON text: outside the values, inside one, or the end of one. */
type Piece = { readonly kind: 'json' | 'base64'; readonly bytes: Buffer } | { readonly kind: 'end' };

/**
 * Reads an operation from a stream. A video inside it may have tens of megabytes, so reading stops at the first byte of the video.
 */
export async function readOperation(
  body: AsyncIterable<Buffer>,
): Promise<{ readonly inline: true } | { readonly inline: false; readonly text: string }> {
  const text = await textAround(body, MEMBERS, false);
  return text === undefined ? { inline: true } : { inline: false, text };
}

/** Reads a JSON text from a stream without the values of these members, which may be megabytes of base64. They are empty instead. */
export async function readWithout(body: AsyncIterable<Buffer>, members: Names): Promise<string> {
  return (await textAround(body, members, true)) ?? '';
}

/** The text around the values of the members. Undefined, at the first byte of one, unless they are skipped. */
async function textAround(
  body: AsyncIterable<Buffer>,
  members: Names,
  skips: boolean,
): Promise<string | undefined> {
  const around: Buffer[] = [];
  let length = 0;
  for await (const piece of split(body, members)) {
    if (piece.kind === 'base64' && !skips) return undefined;
    if (piece.kind !== 'json') continue;
    length += piece.bytes.length;
    if (length > MAX_ANSWER_BYTES) {
      throw new UpstreamError('upstream_unavailable', {
        detail: `an answer of more than ${MAX_ANSWER_BYTES} bytes`,
      });
    }
    around.push(piece.bytes);
  }
  return Buffer.concat(around).toString('utf8');
}

/** Streams the decoded bytes of the first video inside an operation, from `offset` on. */
export function inlineVideo(body: AsyncIterable<Buffer>, offset: number): Readable {
  return Readable.from(decoded(body, offset), { objectMode: false });
}

async function* decoded(body: AsyncIterable<Buffer>, offset: number): AsyncGenerator<Buffer> {
  let skip = offset;
  let rest = '';
  for await (const piece of split(body, MEMBERS)) {
    if (piece.kind === 'json') continue;
    // Four characters are three bytes. An incomplete group of four waits for the next piece.
    const text = piece.kind === 'end' ? rest : rest + piece.bytes.toString('latin1');
    const whole = piece.kind === 'end' ? text.length : text.length - (text.length % 4);
    rest = text.slice(whole);
    const bytes = Buffer.from(text.slice(0, whole), 'base64');
    if (bytes.length > skip) yield bytes.subarray(skip);
    skip = Math.max(0, skip - bytes.length);
    if (piece.kind === 'end') return;
  }
  throw new UpstreamError('upstream_unavailable', {
    detail: 'the operation broke off, or has no video inside',
  });
}

/** Splits a JSON text into the values of these members and the text around them, byte by byte, without buffering either. */
async function* split(source: AsyncIterable<Buffer>, members: Names): AsyncGenerator<Piece> {
  const longest = Math.max(...[...members].map((name) => name.length));
  let state: 'outside' | 'string' | 'named' | 'value' | 'video' = 'outside';
  let name = '';
  let pending = '';
  for await (const chunk of source) {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (state === 'video') {
        if (pending !== '') {
          pending += String.fromCharCode(byte);
          from = at + 1;
          const character = unescaped(pending);
          if (character === undefined) continue;
          pending = '';
          yield { kind: 'base64', bytes: Buffer.from(character, 'latin1') };
          continue;
        }
        const end = firstOf(chunk, at);
        if (end > from) yield { kind: 'base64', bytes: chunk.subarray(from, end) };
        at = end;
        from = end + 1;
        if (chunk[end] === BACKSLASH) pending = '\\';
        else if (chunk[end] === QUOTE) {
          yield { kind: 'end' };
          state = 'outside';
          from = end;
        }
      } else if (state === 'string') {
        if (pending !== '') pending = '';
        else if (byte === BACKSLASH) pending = '\\';
        else if (byte === QUOTE) state = members.has(name) ? 'named' : 'outside';
        if (name.length <= longest) name += String.fromCharCode(byte);
        if (state === 'named') name = '';
      } else if (byte === QUOTE && state === 'value') {
        yield { kind: 'json', bytes: chunk.subarray(from, at + 1) };
        state = 'video';
        from = at + 1;
      } else if (byte === QUOTE) {
        state = 'string';
        name = '';
      } else if (state === 'named' && !isSpace(byte)) {
        state = byte === COLON ? 'value' : 'outside';
      } else if (state === 'value' && !isSpace(byte)) {
        state = 'outside';
      }
    }
    if (state !== 'video' && from < chunk.length) yield { kind: 'json', bytes: chunk.subarray(from) };
  }
}

/** The position of the next quote or backslash, or the chunk's length if there is none. */
function firstOf(chunk: Buffer, from: number): number {
  const quote = chunk.indexOf(QUOTE, from);
  const end = quote === -1 ? chunk.length : quote;
  const backslash = chunk.subarray(from, end).indexOf(BACKSLASH);
  return backslash === -1 ? end : from + backslash;
}

/** RFC 8259, section 7: an escape is one character, or `u` and four digits. Undefined while it is incomplete. */
function unescaped(pending: string): string | undefined {
  const kind = pending[1];
  if (kind !== 'u') return kind === '/' ? '/' : '';
  return pending.length < 6 ? undefined : String.fromCharCode(Number.parseInt(pending.slice(2), 16));
}
