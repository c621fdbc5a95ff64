import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { FastifyRequest } from 'fastify';
import { invalidRequest } from '../../tasks/errors.ts';
import type { App } from '../context.ts';
import { createReceiver, type ReceiveBody, type ReceiveOptions } from './receive.ts';
import { createJsonScanner, type ScannedJson, stringOf } from './scanner.ts';

/** Limits on the cost of parsing, far above any valid request. */
export const PLAIN_BYTES = 2 ** 20;
const DEPTH = 32;
const VALUES = 10_000;

/**
 * Parses JSON bodies strictly: it refuses invalid UTF-8, prototype pollution and duplicate names, and says what to fix. Returns the
 * receiver, for bodies of other types.
 */
export function useStrictJson(app: App, options: ReceiveOptions): ReceiveBody {
  const parse = createParser(app);
  const receive = createReceiver(app, options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', async (request: FastifyRequest, payload: Readable) => {
    const scanner = await receive(request, payload, ({ limit, announced }) =>
      createJsonScanner({ bytes: limit, plainBytes: PLAIN_BYTES, depth: DEPTH, values: VALUES }, announced),
    );
    let nonce = '';
    const scanned = scanner.end((index) => {
      nonce ||= randomUUID();
      return `${nonce} ${index}`;
    });
    return withMedia(await parse(request, scanned), nonce, scanned.media);
  });
  return receive;
}

type Parse = (request: FastifyRequest, scanned: ScannedJson) => Promise<unknown>;

function createParser(app: App): Parse {
  const parse = app.getDefaultJsonParser('error', 'error');
  const decoder = new TextDecoder('utf-8', { fatal: true });

  return async (request, { text: bytes }) => {
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      throw invalidRequest(
        'The body is not valid UTF-8; encode the JSON as UTF-8.',
        undefined,
        'invalid_json',
      );
    }
    if (text.trim() === '') {
      // Many clients send a content type with every call, even without a body.
      if (request.routeOptions.schema?.body === undefined) return undefined;
      throw invalidRequest('The body is empty; send a JSON object.', undefined, 'invalid_json');
    }
    return new Promise((resolve, reject) => {
      parse(request, text, (error, value) => {
        if (error) reject(invalidRequest(mistakeIn(text), undefined, 'invalid_json'));
        else resolve(value);
      });
    });
  };
}

/** Replaces each marker in a parsed value by its media. */
function withMedia(value: unknown, nonce: string, media: readonly Buffer[]): unknown {
  if (media.length === 0) return value;
  if (typeof value === 'string') {
    const place = value.startsWith(nonce) ? Number(value.slice(nonce.length)) : Number.NaN;
    const bytes = media[place];
    if (!bytes) return value;
    const text = stringOf(bytes.toString('latin1'));
    if (text !== undefined) return text;
    const message = 'The body is not valid JSON: an image in it has an invalid escape sequence.';
    throw invalidRequest(message, undefined, 'invalid_json');
  }
  if (Array.isArray(value)) return value.map((item) => withMedia(item, nonce, media));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, withMedia(member, nonce, media)]),
  );
}

/** Describes why the strict parser refused the text. */
function mistakeIn(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return `The body is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`;
  }
  return 'The body has a field named "__proto__" or "constructor"; remove it.';
}
