import cors from '@fastify/cors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from '../context.ts';

/** What clients read of an answer. Scripts of other origins see only a few headers by default (Fetch, section 3.3.3). */
const EXPOSED = [
  'Accept-Ranges',
  'Content-Disposition',
  'Content-Length',
  'Content-Range',
  'ETag',
  'Idempotent-Replayed',
  'Last-Modified',
  'Location',
  'Onetake-Task-Id',
  'Preference-Applied',
  'Repr-Digest',
  'Retry-After',
  'openai-poll-after-ms',
  'openai-processing-ms',
  'openai-version',
  'x-request-id',
];
/** How long a browser may remember a preflight. The longest that Chromium keeps. Seconds. */
const PREFLIGHT_SECONDS = 7200;

/** Whether scripts of pages of this origin may call the API. */
export type AllowsOrigin = (origin: string | undefined) => boolean;

/** `origins`: exact ones such as `https://app.example.com`, or `*`. */
export const originPolicy = (origins: readonly string[]): AllowsOrigin =>
  origins.includes('*')
    ? (origin) => origin !== undefined
    : (origin) => origin !== undefined && origins.includes(origin);

/** Lets a page read an answer for which no hook runs: what the router itself refuses. */
export function allowOrigin(request: FastifyRequest, reply: FastifyReply, origins: readonly string[]): void {
  const { origin } = request.headers;
  if (origins.length === 0) return;
  reply.header('vary', 'Origin');
  if (origin !== undefined && originPolicy(origins)(origin))
    reply.header('access-control-allow-origin', origin);
}

/**
 * Lets pages of these origins call the API: answers their preflights, and adds what lets them read answers, errors included, but for what is no valid HTTP. To be called
 * before any hook that refuses requests, because a preflight has no key. Without origins nothing is added.
 */
export async function allowOrigins(app: App, origins: readonly string[]): Promise<void> {
  if (origins.length === 0) return;
  const allows = originPolicy(origins);
  await app.register(cors, {
    // False: OPTIONS of others is answered as it is without this.
    origin: (origin, callback) => callback(null, allows(origin) ? (origin ?? false) : false),
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
    exposedHeaders: EXPOSED,
    maxAge: PREFLIGHT_SECONDS,
    // An OPTIONS that is no preflight gets the headers, too, instead of a 400.
    strictPreflight: false,
  });
}
