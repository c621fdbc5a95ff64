import { createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { GoogleAuth } from 'google-auth-library';
import { z } from 'zod';
import { ownErrorIn } from '../http/lostCall.ts';
import { partsOf, responseOf } from '../http/sdkFetch.ts';
import type { Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { MAKES_NOTHING, SendRefused, UpstreamError } from '../provider.ts';

/** The headers that identify the caller to a Google Cloud service. */
export type AuthHeaders = (signal: AbortSignal) => Promise<Readonly<Record<string, string>>>;

/** The scope of Vertex AI and of Cloud Storage. */
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** The address that google-auth-library requests a service account's token from, whatever the key file says. */
const LIBRARY_TOKEN_URL = 'https://oauth2.googleapis.com/token';
/** Time limit for the token endpoint. Milliseconds. */
const TOKEN_MS = 20_000;
const MAX_TOKEN_BYTES = 2 ** 20;

const KeyFile = z.looseObject({ type: z.string(), token_uri: z.url().optional() });

const parseCredentials = (text: string) => KeyFile.parse(JSON.parse(text));

/** What is wrong with a credentials file, to be read after its path; undefined if nothing. Quotes nothing of it and sends nothing. */
export async function credentialsProblem(path: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code}); name a file that exists and is readable`;
  }
  try {
    const credentials = parseCredentials(text);
    // Throws if a member is missing that this type of credentials needs.
    await new GoogleAuth({ credentials, scopes: SCOPE }).getClient();
    if (typeof credentials.private_key === 'string') createPrivateKey(credentials.private_key);
    return undefined;
  } catch {
    return 'is not a key or another credentials file of Google Cloud, in JSON; download it again';
  }
}

/**
 * OAuth access tokens by google-auth-library, from a service account key or another credentials file, or else from application
 * default credentials (gcloud's or the machine's). The library keeps a token until shortly before it expires, and sends one
 * request for all callers that wait. Throws `UpstreamError` with `created: 'no'`, because nothing is sent without a token.
 */
export function createAccessTokens(
  credentialsFile: string | undefined,
  scrub: Scrub,
  http: Pick<UpstreamHttp, 'raw'>,
): AuthHeaders {
  let auth: Promise<GoogleAuth> | undefined;

  /** Replaces the library's global `fetch`, which uses neither the operator's proxies nor the lease guard. */
  async function ask(url: string, init: RequestInit | undefined): Promise<Response> {
    const asked = new Request(url, init);
    const answer = await http.raw({
      ...(await partsOf(asked)),
      headers: Object.fromEntries(asked.headers),
      signal: AbortSignal.any([asked.signal, AbortSignal.timeout(TOKEN_MS)]),
      maySend: MAKES_NOTHING,
      maxBytes: MAX_TOKEN_BYTES,
    });
    return responseOf(answer);
  }

  async function open(): Promise<GoogleAuth> {
    if (credentialsFile === undefined)
      return new GoogleAuth({ scopes: SCOPE, ...transport(LIBRARY_TOKEN_URL) });
    const credentials = parseCredentials(await readFile(credentialsFile, 'utf8'));
    const { token_uri: tokenUri = LIBRARY_TOKEN_URL } = credentials;
    return new GoogleAuth({ credentials, scopes: SCOPE, ...transport(tokenUri) });
  }

  function transport(tokenUri: string) {
    const fetchImplementation: typeof globalThis.fetch = (input, init) =>
      ask(String(input) === LIBRARY_TOKEN_URL ? tokenUri : String(input), init);
    return { clientOptions: { transporterOptions: { fetchImplementation } } };
  }

  async function headers(): Promise<Record<string, string>> {
    auth ??= open();
    // A file that cannot be read now may exist at the next call.
    auth.catch(() => {
      auth = undefined;
    });
    const client = await (await auth).getClient();
    return Object.fromEntries(await client.getRequestHeaders());
  }

  return async (signal) => {
    try {
      return await orGivenUp(headers(), signal);
    } catch (error) {
      throw failureOf(error, signal, scrub);
    }
  };
}

/** The library's errors include its request with the signed assertion, so only their message is kept. */
function failureOf(error: unknown, signal: AbortSignal, scrub: Scrub): UpstreamError {
  const refusedHere = ownErrorIn(error);
  if (refusedHere instanceof SendRefused) return refusedHere;
  const words = scrub(error instanceof Error ? error.message : String(error)).slice(0, 300);
  const status = error instanceof Error && 'status' in error ? Number(error.status) : undefined;
  const asked = status !== undefined || (error instanceof Error && error.cause !== undefined);
  const refused = status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
  const reason = signal.aborted
    ? 'upstream_timeout'
    : asked && !refused
      ? 'upstream_unavailable'
      : 'auth_failed';
  return new UpstreamError(reason, { created: 'no', detail: `no access token: ${words}` });
}

/**
 * Settles as the work does, or rejects when the signal aborts. The work continues for other callers that wait for it. A token that
 * is already there is returned even after an abort. The call that uses it then reports the abort.
 */
function orGivenUp<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => setImmediate(() => reject(signal.reason));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
