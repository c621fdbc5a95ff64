import { isAscii } from 'node:buffer';
import { invalidRequest, OnetakeError } from '../../tasks/errors.ts';

/** Limits on a JSON body of any route. */
export interface JsonLimits {
  /** Bytes of the whole body. */
  readonly bytes: number;
  /** Bytes of everything except inline media, which is base64 text longer than `MEDIA_LENGTH`. */
  readonly plainBytes: number;
  /** Nesting depth of objects and arrays. */
  readonly depth: number;
  /** Number of members and elements on all levels together. */
  readonly values: number;
}

/** JSON text without its inline media, and that media. */
export interface ScannedJson {
  /** Each piece of media is replaced by the string that `marker` returns for its index in `media`. */
  readonly text: Buffer;
  readonly media: readonly Buffer[];
}

/** Scans a JSON body as it arrives, and refuses one that would be expensive to parse before it is complete. */
export interface JsonScanner {
  /** Throws a 400 or 413 `OnetakeError` as soon as a limit is exceeded. */
  write(chunk: Buffer): void;
  /** Number of bytes received so far. */
  readonly length: number;
  /** Does not check the syntax; that is left to a parser. Callers must not be able to guess `marker`. */
  end(marker: (place: number) => string): ScannedJson;
}

/** Text above this length that looks like base64 is an image; prompts and options are shorter. Bytes. */
const MEDIA_LENGTH = 16_384;
/** The first bytes of a data URL or of bare base64. */
const MEDIA_START = /^(?:data:[\w.+/\\-]{0,80}[;,]|[A-Za-z0-9+/\\]{64})/;
/** Initial buffer size for a body of unknown length. */
const FIRST_BYTES = 65_536;
/** Upper bound of the length of a marker. */
const MARKER_BYTES = 100;
const SHARED_BYTES = 2048;
const MIB = 2 ** 20;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

interface Container {
  /** Undefined for an array. */
  readonly names: Set<string> | undefined;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

export function createJsonScanner(limits: JsonLimits, expectedBytes = FIRST_BYTES): JsonScanner {
  let bytes = allocate(Math.min(Math.max(1, expectedBytes), limits.bytes));
  let length = 0;
  let position = 0;
  let plain = 0;
  const structure = createStructureCheck(limits);
  const media: Span[] = [];
  /** Start of the string that `position` is in; undefined outside of strings. */
  let stringStart: number | undefined;
  let isMedia = false;
  let lastString: Span | undefined;

  function write(chunk: Buffer): void {
    if (length + chunk.length > limits.bytes) throw tooLarge(limits.bytes);
    if (length + chunk.length > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(
        Math.min(limits.bytes, Math.max(2 * bytes.length, length + chunk.length)),
      );
      bytes.copy(larger, 0, 0, length);
      bytes = larger;
    }
    chunk.copy(bytes, length);
    length += chunk.length;
    // A search does not look at the room behind it, which may be many times as long.
    const arrived = bytes.subarray(0, length);
    while (position < length) {
      if (stringStart === undefined) scanStructure();
      else scanString(stringStart, arrived);
    }
  }

  function spend(count: number): void {
    plain += count;
    if (plain > limits.plainBytes) throw tooMuchText(limits.plainBytes);
  }

  /** Scans up to the next string. */
  function scanStructure(): void {
    const from = position;
    while (position < length) {
      const byte = bytes[position++];
      if (byte === QUOTE) {
        stringStart = position;
        isMedia = false;
        break;
      }
      // Braces, brackets, commas and colons.
      if (byte === 0x7b || byte === 0x5b) structure.enter(byte === 0x7b);
      else if (byte === 0x7d || byte === 0x5d) structure.leave();
      else if (byte === 0x2c) structure.count();
      else if (byte === 0x3a && lastString)
        structure.name(bytes.toString('utf8', lastString.start, lastString.end));
    }
    spend(position - from);
  }

  /** Scans up to the end of the string that begins at `start`, or to the end of what has arrived. */
  function scanString(start: number, arrived: Buffer): void {
    const from = position;
    const end = endOfString(arrived, start, position);
    position = end ?? length;
    if (!isMedia && position - start > MEDIA_LENGTH) {
      isMedia = MEDIA_START.test(bytes.toString('latin1', start, start + 128));
    }
    if (!isMedia) spend(position - from);
    if (end === undefined) return;
    lastString = { start, end };
    if (isMedia) media.push(lastString);
    stringStart = undefined;
    position = end + 1;
  }

  return {
    write,
    get length() {
      return length;
    },
    end(marker) {
      const whole = bytes.subarray(0, length);
      // Base64 is ASCII. Any other long string is ordinary text.
      const parts = media.filter(({ start, end }) => isAscii(bytes.subarray(start, end)));
      const text = withMarkers(whole, parts, marker);
      if (text.length > limits.plainBytes + parts.length * MARKER_BYTES) throw tooMuchText(limits.plainBytes);
      return { text, media: parts.map(({ start, end }) => bytes.subarray(start, end)) };
    },
  };
}

/** The text with each span replaced by its marker. */
function withMarkers(text: Buffer, spans: readonly Span[], marker: (place: number) => string): Buffer {
  if (spans.length === 0) return text;
  const pieces: Buffer[] = [];
  let from = 0;
  for (const [place, { start, end }] of spans.entries()) {
    pieces.push(text.subarray(from, start), Buffer.from(marker(place)));
    from = end;
  }
  return Buffer.concat([...pieces, text.subarray(from)]);
}

/** Small buffers share memory. That of a large one is only committed when it is written to, so an announced length costs nothing by itself. */
const allocate = (size: number): Buffer =>
  size <= SHARED_BYTES ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);

/** Index of the quote that ends the string from `start` on, searched from `from`; undefined if it has not arrived yet. */
function endOfString(text: Buffer, start: number, from: number): number | undefined {
  for (let at = from; ; ) {
    const quote = text.indexOf(QUOTE, at);
    if (quote < 0) return undefined;
    let slashes = 0;
    while (quote - slashes > start && text[quote - slashes - 1] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

interface StructureCheck {
  /** An object or an array begins. */
  enter(isObject: boolean): void;
  leave(): void;
  /** Another member or element begins. */
  count(): void;
  /** The raw text of the string before a colon, which names a member of the current object. */
  name(quoted: string): void;
}

/** Refuses deep nesting, too many values, and duplicate names within an object: parsers disagree on which of the two counts. */
function createStructureCheck({ depth, values }: Pick<JsonLimits, 'depth' | 'values'>): StructureCheck {
  const open: Container[] = [];
  let counted = 0;

  function count(): void {
    counted += 1;
    if (counted > values) throw invalidJson(`The body has more than ${values} values; send less.`);
  }

  return {
    count,
    enter(isObject) {
      open.push({ names: isObject ? new Set() : undefined });
      if (open.length > depth) throw invalidJson(`The body is nested more than ${depth} levels deep.`);
      count();
    },
    leave() {
      open.pop();
    },
    name(quoted) {
      const names = open.at(-1)?.names;
      const text = names && stringOf(quoted);
      if (text === undefined) return;
      if (names?.has(text)) {
        const shown = text.slice(0, 64).toWellFormed();
        throw invalidJson(`The field ${JSON.stringify(shown)} is given twice; send it once.`, shown);
      }
      names?.add(text);
    },
  };
}

const invalidJson = (message: string, param?: string): OnetakeError =>
  invalidRequest(message, param, 'invalid_json');

/** The value of a JSON string, from the text between its quotes; undefined if that is invalid. */
export function stringOf(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted;
  try {
    return JSON.parse(`"${quoted}"`);
  } catch {
    return undefined;
  }
}

/** A 413 for a body above the limit of its route. */
export const tooLarge = (limit: number): OnetakeError =>
  new OnetakeError(
    'body_too_large',
    413,
    `The body is larger than ${Math.floor(limit / MIB)} MiB; give images as URLs, or raise ONETAKE_BODY_LIMIT_MB, which is the limit for submits.`,
  );

/** A 413 for a body whose text is above its limit. */
export const tooMuchText = (limit: number): OnetakeError =>
  new OnetakeError(
    'body_too_large',
    413,
    `The body has more than ${Math.floor(limit / MIB)} MiB besides its images; send less.`,
  );
