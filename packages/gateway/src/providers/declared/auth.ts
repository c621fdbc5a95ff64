import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { valueOfJson } from '../../tasks/text.ts';
import { type Clock, later, type Moment, systemClock } from '../../time/clock.ts';
import { lostCall } from '../http/lostCall.ts';
import type { Scrub } from '../http/secrets.ts';
import { unlessGivenUp } from '../http/unlessGivenUp.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { MAKES_NOTHING, SendRefused, UpstreamError } from '../provider.ts';
import type { AuthClause } from './schema.ts';

/** How calls of an account identify themselves. */
export interface Auth {
  /** Throws `UpstreamError` if no token could be had. */
  headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
  /** The upstream has refused the credentials of a call. The next call gets new ones, if they can be had. */
  refused(): void;
  /** Members of the query of every call. */
  readonly query: Readonly<Record<string, string>>;
}

interface AuthParts {
  readonly auth: AuthClause;
  /** The account's secrets, by the names that the file gives them. */
  readonly secrets: Readonly<Record<string, string>>;
  readonly clock: Clock;
  /** See `UpstreamHttp.upstreamTime`. */
  readonly upstreamTime: UpstreamHttp['upstreamTime'];
  /** Sends the request for an access token. */
  readonly raw: UpstreamHttp['raw'];
  readonly scrub: Scrub;
  /** Told of each access token. */
  readonly learnt: (token: string) => void;
}

/** How much earlier than now a signed token is valid, because an upstream has many servers, whose clocks differ. Seconds. */
const EARLIER_SECONDS = 60;
/** An access token is replaced this long before it expires. Milliseconds. */
const SPARE_MS = 60_000;
/** The most bytes of the answer with a token. */
const MAX_TOKEN_BYTES = 2 ** 20;

export function createAuth({ auth, secrets, clock, upstreamTime, raw, scrub, learnt }: AuthParts): Auth {
  /** A credential is only missing if it is optional, and then nothing is sent. */
  const secret = (name: string): string => secrets[name] ?? '';
  const fixed = (headers: Readonly<Record<string, string>>, query = {}): Auth => ({
    headers: async () => headers,
    refused: () => undefined,
    query,
  });
  switch (auth.kind) {
    case 'none':
      return fixed({});
    case 'bearer':
      return fixed(secret(auth.token) ? bearer(secret(auth.token)) : {});
    case 'header':
      return fixed(secret(auth.value) ? { [auth.name]: `${auth.prefix}${secret(auth.value)}` } : {});
    case 'query':
      return fixed({}, secret(auth.value) ? { [auth.name]: secret(auth.value) } : {});
    case 'jwt':
      return {
        ...fixed({}),
        async headers() {
          // The upstream compares the token with its own clock. Whether it tells the time says nothing about the call.
          const there = await upstreamTime().catch(() => undefined);
          return bearer(signedToken(auth, secret, there ?? clock.now()));
        },
      };
    case 'oauth':
      return { ...fixed({}), ...createAccessTokens({ auth, secret, raw, scrub, learnt }) };
  }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JSON Web Token with HMAC-SHA256 (RFC 7519; RFC 7515, section 3.1). */
function signedToken(
  { claims, secret: name, lifetime_seconds: lifetime }: Extract<AuthClause, { kind: 'jwt' }>,
  secret: (name: string) => string,
  nowMs: number,
): string {
  const now = Math.floor(nowMs / 1000);
  const given = Object.entries(claims).map(([claim, credential]) => [claim, secret(credential)]);
  const payload = { ...Object.fromEntries(given), exp: now + lifetime, nbf: now - EARLIER_SECONDS };
  const signed = `${base64url({ alg: 'HS256', typ: 'JWT' })}.${base64url(payload)}`;
  return `${signed}.${createHmac('sha256', secret(name)).update(signed).digest('base64url')}`;
}

/** How long a token is used whose answer does not say how long it is valid. Seconds. */
const DEFAULT_SECONDS = 300;
/** Time limit of the request for a token, which many calls may wait for. Milliseconds. */
const TOKEN_MS = 30_000;

/** RFC 6749, section 5.1. */
const TokenAnswer = z.object({
  access_token: z.string().min(1),
  expires_in: z.coerce
    .number()
    .positive()
    .nullish()
    .transform((seconds) => seconds ?? DEFAULT_SECONDS),
});

interface TokenParts extends Pick<AuthParts, 'raw' | 'scrub' | 'learnt'> {
  readonly auth: Extract<AuthClause, { kind: 'oauth' }>;
  readonly secret: (name: string) => string;
}

/** Access tokens by client credentials. A token is used until shortly before it expires, or until the upstream refuses it. */
function createAccessTokens({
  auth,
  secret,
  raw,
  scrub,
  learnt,
}: TokenParts): Pick<Auth, 'headers' | 'refused'> {
  /** The request that is under way, for all calls that need a token now. */
  let asked: Promise<string> | undefined;
  let current: { readonly token: string; readonly until: Moment } | undefined;

  function request(signal: AbortSignal): ReturnType<UpstreamHttp['raw']> {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: secret(auth.client_id),
      client_secret: secret(auth.client_secret),
      ...(auth.scope === undefined ? {} : { scope: auth.scope }),
    });
    return raw({
      url: auth.token_url,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: Buffer.from(form.toString()),
      signal,
      // Nothing that is paid for is made by it.
      maySend: MAKES_NOTHING,
      maxBytes: MAX_TOKEN_BYTES,
    });
  }

  async function ask(signal: AbortSignal): Promise<string> {
    const { status, body } = await request(signal).catch((error: unknown) => {
      const lost = lostCall(error, scrub);
      if (lost instanceof SendRefused) throw lost;
      throw new UpstreamError(lost.reason, { created: 'no', detail: `no access token: ${lost.detail}` });
    });
    const answer = TokenAnswer.safeParse(valueOfJson(body.toString('utf8')));
    if (status !== 200 || !answer.success) {
      const refused = status >= 400 && status < 500 && status !== 408 && status !== 429;
      throw new UpstreamError(refused ? 'auth_failed' : 'upstream_unavailable', {
        created: 'no',
        detail: `${status} instead of an access token`,
      });
    }
    const { access_token: token, expires_in: seconds } = answer.data;
    learnt(token);
    current = { token, until: later(systemClock.monotonic(), seconds * 1000 - SPARE_MS) };
    return token;
  }

  async function headers(signal: AbortSignal) {
    if (current && systemClock.monotonic() < current.until) return bearer(current.token);
    asked ??= ask(AbortSignal.timeout(TOKEN_MS)).finally(() => {
      asked = undefined;
    });
    return bearer(await unlessGivenUp(asked, signal));
  }

  return {
    headers,
    refused() {
      current = undefined;
    },
  };
}
