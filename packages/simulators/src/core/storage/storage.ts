import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../clock.ts';
import { type Answer, Refusal } from '../http/answer.ts';
import type { RequestNotes } from '../http/requestNotes.ts';
import { sendBytes } from '../http/sendBytes.ts';
import type { Job } from '../jobs/job.ts';

/** The form of an upstream's storage for results: a host of its own, which is accessed by signed links. */
export interface StorageStyle {
  /** The query of a signed link, in the provider's form. */
  query(signature: string, expires: number): Readonly<Record<string, string>>;
  /** The query members that hold the signature and the expiry (seconds UTC). */
  readonly signatureParam: string;
  readonly expiresParam: string;
  /** Reads the expiry (seconds UTC) from a query that has it in another form than one number. */
  expiryOf?(query: Readonly<Record<string, string | undefined>>): string;
  readonly ranges: boolean;
  /** Refuses a signed request that also has an `Authorization` header, as the host does for two ways to authenticate. */
  readonly refusesAuthorization: boolean;
  readonly refusals: Readonly<Record<'expired' | 'signature' | 'missing' | 'authorization', Answer>>;
}

/** A stored result. */
export interface StoredObject {
  readonly job: Job;
  /** Begins with a slash and is unique. */
  readonly path: string;
  readonly contentType: string;
  /** Undefined if the result is lost. */
  bytes(): Promise<Buffer | undefined>;
}

export interface Storage {
  /** A link to the object that works until `expiresAt` (milliseconds UTC). The same arguments give the same link. */
  link(object: StoredObject, expiresAt: number): string;
}

export function serveStorage(
  app: FastifyInstance,
  options: {
    readonly style: StorageStyle;
    readonly secret: string;
    readonly clock: Clock;
    readonly origin: () => string;
    readonly notes: RequestNotes;
  },
): Storage {
  const { style } = options;
  const objects = new Map<string, StoredObject>();
  const sign = (path: string, expires: string): string =>
    createHmac('sha256', options.secret).update(`${path} ${expires}`).digest('hex').slice(0, 40);

  app.get<{ Params: { '*': string }; Querystring: Record<string, string | undefined> }>(
    '/*',
    { config: { operation: 'download' } },
    async (request, reply) => {
      const path = `/${request.params['*']}`;
      const expires = style.expiryOf?.(request.query) ?? request.query[style.expiresParam] ?? '';
      const signature = request.query[style.signatureParam] ?? '';
      if (style.refusesAuthorization && request.headers.authorization !== undefined) {
        throw new Refusal(style.refusals.authorization);
      }
      if (!same(signature, sign(path, expires))) throw new Refusal(style.refusals.signature);
      if (Number(expires) * 1000 < options.clock.now()) throw new Refusal(style.refusals.expired);
      const object = objects.get(path);
      if (object) options.notes.about(request, object.job);
      const bytes = await object?.bytes();
      if (!object || !bytes) throw new Refusal(style.refusals.missing);
      return sendBytes(request, reply, bytes, { contentType: object.contentType, ranges: style.ranges });
    },
  );

  return {
    link(object, expiresAt) {
      objects.set(object.path, object);
      const expires = Math.ceil(expiresAt / 1000);
      const query = new URLSearchParams(style.query(sign(object.path, String(expires)), expires));
      return `${options.origin()}${object.path}?${query}`;
    },
  };
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
