import { Onetake } from '@onetake/client';
import { invalidRequest } from '../../tasks/errors.ts';
import { readProfile } from './profile.ts';

/** What the options of a command say about the gateway. */
export interface Given {
  readonly url?: string | undefined;
  readonly apiKey?: string | undefined;
}

export interface Connection {
  readonly url: string;
  readonly apiKey: string;
}

export const DEFAULT_URL = 'http://127.0.0.1:8787';
/** Enough for a connection that breaks. Someone is waiting, and `wait` bears longer outages by itself. */
const MAX_RETRIES = 2;

/** Where the gateway is: the options, else the environment, else the profile. Its key goes to no other gateway than its own. */
export function connectionOf(given: Given, env: NodeJS.ProcessEnv): Connection {
  const named = given.url ?? (env.ONETAKE_URL || undefined);
  const key = given.apiKey ?? (env.ONETAKE_API_KEY || undefined);
  const profile = named === undefined || key === undefined ? readProfile(env) : undefined;
  const url = checkedUrl(named ?? profile?.url ?? DEFAULT_URL);
  if (key !== undefined) return { url, apiKey: checkedKey(key) };
  if (!profile)
    throw invalidRequest(
      'Say the API key: --api-key KEY, or ONETAKE_API_KEY, or save it with onetake login.',
    );
  if (!isSameGateway(url, profile.url)) {
    throw invalidRequest(
      `The saved API key is for ${profile.url}, not for ${url}. Say the key for it: --api-key KEY, or ONETAKE_API_KEY.`,
    );
  }
  return { url, apiKey: profile.api_key };
}

export const openClient = ({ url, apiKey }: Connection): Onetake =>
  new Onetake({ baseUrl: url, apiKey, maxRetries: MAX_RETRIES });

export function checkedUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw invalidRequest(
      `The URL of a gateway is like https://video.example.com, not "${url}" (--url, ONETAKE_URL).`,
    );
  return url;
}

/** What is no visible ASCII cannot be in a header. The message does not show it. */
export function checkedKey(key: string): string {
  if (!/^[\x21-\x7e]+$/.test(key))
    throw invalidRequest(
      'The API key has characters that no key has, such as a space or a line break (--api-key, ONETAKE_API_KEY).',
    );
  return key;
}

function isSameGateway(one: string, other: string): boolean {
  const [a, b] = [new URL(one), new URL(other)];
  const path = ({ pathname }: URL) => pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
  return a.origin === b.origin && path(a) === path(b);
}
