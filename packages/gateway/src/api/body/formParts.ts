import { MIMEType } from 'node:util';
import { invalidRequest, type OnetakeError } from '../../tasks/errors.ts';

/** A part of a form, as it was sent. */
export interface FormPart {
  readonly name: string;
  readonly isFile: boolean;
  readonly content: Buffer;
}

/** A part of a form whose content is still arriving. It ends when the next part is asked for. */
export interface ArrivingPart {
  readonly name: string;
  /** What the caller calls the file; undefined if it is text. */
  readonly filename: string | undefined;
  readonly content: AsyncIterable<Buffer>;
}

interface RawPart {
  /** The lines of its headers. */
  readonly head: Buffer;
  readonly content: AsyncIterable<Buffer>;
}

/** Far more parts than any form of this API has. */
const PARTS = 64;
/** The headers of a part: a name, a type, and the name of a file. Bytes. */
const HEAD_BYTES = 2048;
/** Blanks behind a boundary, which gateways of mail once added. */
const PADDING_BYTES = 256;
/** Node's parser of types takes quadratic time for spaces. Characters. */
const TYPE_LENGTH = 512;
/** RFC 2046, section 5.1.1. A longer boundary, or one that repeats itself for long, is expensive to search for. */
const BOUNDARY = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/;
/** A name between quotes, with what a backslash escapes in it. A backslash of a path before the last quote is none. */
const QUOTED_NAME = /(?<=\bname=|\bfilename=)"(?:[^"\\\r\n]|\\.)*"(?=[ \t]*(?:;|$))/gim;
/** What RFC 2045 calls identity encodings. */
const PLAIN_ENCODINGS = ['', '7bit', '8bit', 'binary'];

/** The parts of a whole `multipart/form-data` body. */
export async function partsOf(bytes: Buffer, contentType: string): Promise<FormPart[]> {
  const parts: FormPart[] = [];
  for await (const { name, filename, content } of arrivingParts([bytes], contentType)) {
    const pieces = await Array.fromAsync(content);
    // The content of a part that is whole comes as one piece, without a copy.
    const [whole = Buffer.alloc(0)] = pieces;
    parts.push({
      name,
      isFile: filename !== undefined,
      content: pieces.length > 1 ? Buffer.concat(pieces) : whole,
    });
  }
  return parts;
}

/**
 * The parts of a `multipart/form-data` body, as they arrive. Only their headers are given to a parser, so what it costs is limited by `PARTS` and
 * `HEAD_BYTES`, whatever the size of the body.
 */
export async function* arrivingParts(
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
  contentType: string,
): AsyncGenerator<ArrivingPart> {
  for await (const { head, content } of split(pieces, boundaryOf(contentType))) {
    refuseEncoded(head.toString('latin1'));
    yield { ...(await parseHead(head)), content };
  }
}

function boundaryOf(contentType: string): string {
  if (contentType.length > TYPE_LENGTH) {
    throw invalidForm(
      `The Content-Type of a form has at most ${TYPE_LENGTH} characters; send only its boundary.`,
    );
  }
  const boundary = parametersOf(contentType)?.get('boundary') ?? '';
  if (boundary === '') throw invalidForm('The Content-Type of a form needs a boundary.');
  if (BOUNDARY.test(boundary)) return boundary;
  throw invalidForm(
    "The boundary of a form has at most 70 characters, of those that RFC 2046 allows: letters, digits, '()+_,-./:=? and spaces within.",
  );
}

function parametersOf(contentType: string): MIMEType['params'] | undefined {
  try {
    return new MIMEType(contentType).params;
  } catch {
    return undefined;
  }
}

/** Searches for nothing but the boundary and the ends of headers, and so reads each byte once. */
async function* split(
  pieces: AsyncIterable<Buffer> | Iterable<Buffer>,
  boundary: string,
): AsyncGenerator<RawPart> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const body = createWindow(pieces);
  try {
    await drain(body.until(delimiter.subarray(2)));
    for (let parts = 0; ; parts++) {
      if (await begins(body, '--')) break;
      await skipPadding(body);
      if (!(await begins(body, '\r\n'))) throw malformed();
      if (parts === PARTS) throw invalidForm(`The form has more than ${PARTS} parts; send less.`);
      const head = await headOf(body);
      const content = body.until(delimiter);
      yield { head, content };
      await drain(content);
    }
    await drain(body.rest());
  } finally {
    await body.close();
  }
}

/** What has arrived of a body and is not taken yet. */
interface Window {
  /** What is there once it has this length. Throws if the body ends before. */
  atLeast(length: number): Promise<Buffer>;
  /** What is there once nothing more arrives or it has this length. */
  atMost(length: number): Promise<Buffer>;
  skip(length: number): void;
  /** Takes everything up to a delimiter, and the delimiter. Throws if the body ends before. */
  until(delimiter: Buffer): AsyncGenerator<Buffer>;
  rest(): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

function createWindow(pieces: AsyncIterable<Buffer> | Iterable<Buffer>): Window {
  const source = (async function* () {
    yield* pieces;
  })();
  let data: Buffer = Buffer.alloc(0);

  async function more(): Promise<boolean> {
    const { value, done } = await source.next();
    if (done) return false;
    data = data.length === 0 ? value : Buffer.concat([data, value]);
    return true;
  }

  const window: Window = {
    async atLeast(length) {
      if ((await window.atMost(length)).length < length) throw malformed();
      return data;
    },
    async atMost(length) {
      while (data.length < length && (await more()));
      return data;
    },
    skip(length) {
      data = data.subarray(length);
    },
    async *until(delimiter) {
      for (;;) {
        const at = data.indexOf(delimiter);
        // The delimiter may have arrived in part.
        const end = at >= 0 ? at : Math.max(0, data.length - delimiter.length + 1);
        if (end > 0) yield data.subarray(0, end);
        window.skip(at >= 0 ? at + delimiter.length : end);
        if (at >= 0) return;
        if (!(await more())) throw malformed();
      }
    },
    async *rest() {
      do {
        yield data;
        window.skip(data.length);
      } while (await more());
    },
    close: async () => void (await source.return()),
  };
  return window;
}

async function drain(pieces: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of pieces);
}

const begins = async (body: Window, word: string): Promise<boolean> =>
  (await body.atLeast(word.length)).toString('latin1', 0, word.length) === word;

/** Skips the blanks that RFC 2046, section 5.1.1, allows between a boundary and the end of its line. */
async function skipPadding(body: Window): Promise<void> {
  for (let skipped = 0; skipped < PADDING_BYTES; skipped++) {
    const [next] = await body.atLeast(1);
    if (next !== 0x20 && next !== 0x09) return;
    body.skip(1);
  }
}

/** The headers of the part that begins here, behind a line break. */
async function headOf(body: Window): Promise<Buffer> {
  for (let arrived = 0; ; ) {
    const nearby = (await body.atMost(arrived + 1)).subarray(0, HEAD_BYTES);
    const length = nearby.indexOf('\r\n\r\n');
    if (length >= 0) {
      body.skip(length + 4);
      return nearby.subarray(2, length);
    }
    if (nearby.length === arrived) throw malformed();
    arrived = nearby.length;
    if (arrived < HEAD_BYTES) continue;
    throw invalidForm(
      `A part of the form has more than ${HEAD_BYTES} bytes of headers; send a shorter file name.`,
    );
  }
}

/** Clients have no reason to encode parts (RFC 7578, section 4.7), and a video would be stored as the text of its encoding. */
function refuseEncoded(head: string): void {
  const [, encoding = ''] = /^content-transfer-encoding:(.*)$/im.exec(head) ?? [];
  if (PLAIN_ENCODINGS.includes(encoding.trim().toLowerCase())) return;
  throw invalidForm(
    'A part of the form has a Content-Transfer-Encoding; send its bytes as they are, without that header.',
  );
}

/** Reads the headers as those of a form with one part, which is empty. */
async function parseHead(head: Buffer): Promise<Pick<ArrivingPart, 'name' | 'filename'>> {
  const form = [Buffer.from('--part\r\n'), withoutEscapes(head), Buffer.from('\r\n\r\n\r\n--part--\r\n')];
  const headers = { 'content-type': 'multipart/form-data; boundary=part' };
  const entries = await new Response(new Uint8Array(Buffer.concat(form)), { headers }).formData().then(
    (parsed) => [...parsed],
    () => [],
  );
  const [[name, value] = []] = entries;
  if (name === undefined || value === undefined) throw malformed();
  return { name, filename: typeof value === 'string' ? undefined : value.name };
}

/**
 * Browsers write a quote in a name as `%22`, which is all that Node's parser knows; curl and others put a backslash before it and before
 * a backslash (RFC 2183). Any other backslash is one: older browsers send paths of Windows.
 */
function withoutEscapes(head: Buffer): Buffer {
  if (!head.includes('\\')) return head;
  const text = head
    .toString('latin1')
    .replace(QUOTED_NAME, (quoted) =>
      quoted.replace(/\\(["\\])/g, (_, escaped) => (escaped === '"' ? '%22' : escaped)),
    );
  return Buffer.from(text, 'latin1');
}

const malformed = (): OnetakeError =>
  invalidForm('The body is not valid multipart/form-data; let an HTTP library write it.');

export const invalidForm = (message: string, param?: string): OnetakeError =>
  invalidRequest(message, param, 'invalid_form');
