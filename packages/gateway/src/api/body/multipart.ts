import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import type { App } from '../context.ts';
import { type FormPart, invalidForm, partsOf } from './formParts.ts';
import { PLAIN_BYTES } from './json.ts';
import type { BodyFacts, BodySink, ReceiveBody } from './receive.ts';
import { tooLarge, tooMuchText } from './scanner.ts';

/** A file in a form, in the form that requests carry media in. What it is shows in its bytes, whatever type was declared. */
export class Upload {
  /** Without the beginning of a data URL, with which the text would be copied. */
  readonly base64: string;

  constructor(bytes: Buffer) {
    this.base64 = bytes.toString('base64');
  }
}

/**
 * Parses `multipart/form-data` bodies of the routes of `scope` into objects: text, files as `Upload`, and objects of what is named
 * like `input_reference[image_url]`.
 */
export function useForms(scope: App, receive: ReceiveBody): void {
  scope.addContentTypeParser('multipart/form-data', async (request: FastifyRequest, payload: Readable) => {
    const body = await receive(request, payload, createCollector);
    return readForm(body.bytes(), request.headers['content-type'] ?? '');
  });
}

/** A body is in memory once if its length is announced, and twice otherwise. */
function createCollector({ limit, announced }: BodyFacts): BodySink & { bytes(): Buffer } {
  // The operating system commits memory only when it is written to.
  const whole = announced === undefined ? undefined : Buffer.allocUnsafeSlow(announced);
  const chunks: Buffer[] = [];
  let length = 0;
  return {
    write(chunk) {
      if (length + chunk.length > limit) throw tooLarge(limit);
      if (whole) chunk.copy(whole, length);
      else chunks.push(chunk);
      length += chunk.length;
    },
    get length() {
      return length;
    },
    bytes: () => whole?.subarray(0, length) ?? Buffer.concat(chunks),
  };
}

async function readForm(bytes: Buffer, contentType: string): Promise<Record<string, unknown>> {
  const parts = await partsOf(bytes, contentType);
  refuseMuchText(bytes, parts);
  const fields = createFields();
  for (const { name, isFile, content } of parts)
    fields.add(name, isFile ? new Upload(content) : textOf(name, content));
  return fields.all();
}

/** The fields of a form. Throws if one is given twice. */
export function createFields() {
  const fields = new Map<string, unknown>();
  return {
    add(name: string, value: unknown): void {
      const [, outer, inner] = /^([^[\]]+)\[([^[\]]+)\]$/.exec(name) ?? [];
      if (outer === undefined || inner === undefined) addTo(fields, name, value);
      else addTo(membersOf(fields, outer), inner, value, name);
    },
    all: () => plain(fields),
  };
}

/** Everything except the files is limited like the text of a JSON body. */
function refuseMuchText(bytes: Buffer, parts: readonly FormPart[]): void {
  let text = bytes.length;
  for (const { isFile, content } of parts) if (isFile) text -= content.length;
  if (text > PLAIN_BYTES) throw tooMuchText(PLAIN_BYTES);
}

/** The text as it was before it was put into a form, which has CRLF for every line break (WHATWG HTML, "Multipart form data"). */
export function textOf(name: string, content: Buffer): string {
  if (!isUtf8(content)) throw invalidForm('The body is not valid UTF-8; encode its text as UTF-8.', name);
  return content.toString('utf8').replaceAll('\r\n', '\n');
}

function addTo(fields: Map<string, unknown>, member: string, value: unknown, name = member): void {
  if (fields.has(member)) {
    const shown = name.slice(0, 64).toWellFormed();
    throw invalidForm(`The field ${JSON.stringify(shown)} is given twice; send it once.`, shown);
  }
  fields.set(member, value);
}

/** The members of an object that comes in several parts. */
function membersOf(fields: Map<string, unknown>, name: string): Map<string, unknown> {
  const known = fields.get(name);
  if (known instanceof Map) return known;
  const members = new Map<string, unknown>();
  addTo(fields, name, members);
  return members;
}

const plain = (fields: ReadonlyMap<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    [...fields].map(([name, value]) => [name, value instanceof Map ? plain(value) : value] as const),
  );
