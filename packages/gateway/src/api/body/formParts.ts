import { MIMEType } from 'node:util';
import { invalidRequest, type OnetakeError } from '../../tasks/errors.ts';

/** A part of a form, as it was sent. */
export interface FormPart {
  readonly name: string;
  readonly isFile: boolean;
  readonly content: Buffer;
}

interface RawPart {
  /** The lines of its headers. */
  readonly head: Buffer;
  readonly content: Buffer;
}

/** Far more parts than any form of this API has. */
const PARTS = 64;
/** The headers of a part: a name, a type, and the name of a file. Bytes. */
const HEAD_BYTES = 2048;
/** Node's parser of types takes quadratic time for spaces. Characters. */
const TYPE_LENGTH = 512;
/** RFC 2046, section 5.1.1. A longer boundary, or one that repeats itself for long, is expensive to search for. */
const BOUNDARY = /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/;
/** What RFC 2045 calls identity encodings. */
const PLAIN_ENCODINGS = ['', '7bit', '8bit', 'binary'];

/**
 * The parts of a `multipart/form-data` body. Only their headers are given to a parser, so what it costs is limited by `PARTS` and
 * `HEAD_BYTES`, whatever the size of the body.
 */
export async function partsOf(bytes: Buffer, contentType: string): Promise<FormPart[]> {
  const raw = split(bytes, boundaryOf(contentType));
  for (const { head } of raw) refuseEncoded(head.toString('latin1'));
  const entries = await parseHeads(raw);
  return raw.map(({ content }, index) => {
    const entry = entries[index];
    if (!entry) throw malformed();
    return { name: entry[0], isFile: typeof entry[1] !== 'string', content };
  });
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
function split(bytes: Buffer, boundary: string): RawPart[] {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const parts: RawPart[] = [];
  let at = bytes.indexOf(delimiter.subarray(2));
  while (at >= 0) {
    at += delimiter.length - 2;
    const next = bytes.toString('latin1', at, at + 2);
    if (next === '--') return parts;
    if (next !== '\r\n') break;
    if (parts.length === PARTS) throw invalidForm(`The form has more than ${PARTS} parts; send less.`);
    const head = headAt(bytes, at);
    const start = at + head.length + 4;
    const end = bytes.indexOf(delimiter, start);
    if (end < 0) break;
    parts.push({ head: head.subarray(2), content: bytes.subarray(start, end) });
    at = end + 2;
  }
  throw malformed();
}

/** The headers that begin at `start`, with the line break before them. */
function headAt(bytes: Buffer, start: number): Buffer {
  const nearby = bytes.subarray(start, start + HEAD_BYTES);
  const length = nearby.indexOf('\r\n\r\n');
  if (length >= 0) return nearby.subarray(0, length);
  if (nearby.length < HEAD_BYTES) throw malformed();
  throw invalidForm(
    `A part of the form has more than ${HEAD_BYTES} bytes of headers; send a shorter file name.`,
  );
}

/** Clients have no reason to encode parts (RFC 7578, section 4.7), and a video would be stored as the text of its encoding. */
function refuseEncoded(head: string): void {
  const [, encoding = ''] = /^content-transfer-encoding:(.*)$/im.exec(head) ?? [];
  if (PLAIN_ENCODINGS.includes(encoding.trim().toLowerCase())) return;
  throw invalidForm(
    'A part of the form has a Content-Transfer-Encoding; send its bytes as they are, without that header.',
  );
}

/** Reads the headers as those of a form whose parts are all empty. */
async function parseHeads(parts: readonly RawPart[]): Promise<[string, unknown][]> {
  const pieces = parts.flatMap(({ head }) => [Buffer.from('--part\r\n'), head, Buffer.from('\r\n\r\n\r\n')]);
  const heads = Buffer.concat([...pieces, Buffer.from('--part--\r\n')]);
  try {
    const headers = { 'content-type': 'multipart/form-data; boundary=part' };
    return [...(await new Response(new Uint8Array(heads), { headers }).formData())];
  } catch {
    throw malformed();
  }
}

const malformed = (): OnetakeError =>
  invalidForm('The body is not valid multipart/form-data; let an HTTP library write it.');

export const invalidForm = (message: string, param?: string): OnetakeError =>
  invalidRequest(message, param, 'invalid_form');
