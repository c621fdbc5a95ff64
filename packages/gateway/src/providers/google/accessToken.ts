import { readFile } from 'node:fs/promises';
import { GoogleAuth } from 'google-auth-library';
import { z } from 'zod';
import { ownErrorIn } from '../http/lostCall.ts';
import { partsOf, responseOf } from '../http/sdkFetch.ts';
import type { Scrub } from '../http/secrets.ts';
import type { UpstreamHttp } from '../http/upstreamHttp.ts';
import { MAKES_NOTHING, SendRefused, UpstreamError } from '../provider.ts';

/** The headers that a Google Cloud service knows the caller by. */
export type AuthHeaders = (signal: AbortSignal) => Promise<Readonly<Record<string, string>>>;

/** The scope of Vertex AI and of Cloud Storage. */
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** Where google-auth-library asks for a service account's token, whatever the key file says. */
const LIBRARY_TOKEN_URL = 'https://oauth2.googleapis.com/token';
/** A token endpoint that takes longer is out of order. Milliseconds. */
const TOKEN_MS = 20_000;
const MAX_TOKEN_BYTES = 2 ** 20;

const KeyFile = z.looseObject({ type: z.string(), token_uri: z.url().optional() });

/**
 * OAuth access tokens by google-auth-library: of a service account key or another credentials file, else application default
 * credentials (gcloud's, or the machine's own). The library keeps a token until it is about to run out, and asks once for all
 * who wait. Throws `UpstreamError` with `created: 'no'`: without a token nothing is sent.
 */
export function createAccessTokens(
  credentialsFile: string | undefined,
  scrub: Scrub,
  http: Pick<UpstreamHttp, 'raw'>,
): AuthHeaders {
  let auth: Promise<GoogleAuth> | undefined;

  /** The library's own `fetch` is global: it knows neither our proxies nor the lease. */
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
    const credentials = KeyFile.parse(JSON.parse(await readFile(credentialsFile, 'utf8')));
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
    // A file that could not be read may be there the next time.
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

/** The library's errors carry its request, signed assertion and all: only their words go further. */
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
 * The work's outcome, unless the signal comes first; the work goes on for others who wait for it. A token that is at hand wins
 * all the same: what becomes of the call is then for the call to say.
 */
function orGivenUp<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => setImmediate(() => reject(signal.reason));
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}
