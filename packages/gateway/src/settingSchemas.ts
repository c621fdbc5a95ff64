import { validateHeaderName, validateHeaderValue } from 'node:http';
import { z } from 'zod';

// Schemas of values that several settings and accounts have. Every URL, host name, region and value for a header uses one of
// these, so that what no request could be sent with is found before anything is opened.

/** An http or https URL that a connection can be made to. Tabs and line breaks are dropped, as by `new URL`. */
export const webUrl = (error: string) =>
  z
    .url({ protocol: /^https?$/, error, abort: true })
    .refine((url) => !/\p{Cc}/u.test(url), 'must be without control characters')
    .refine((url) => new URL(url).port !== '0', 'must have a port from 1 to 65535, or none');

/** A URL that paths are appended to, without a slash at the end. */
export const baseUrl = webUrl('must be an http or https URL')
  .refine((url) => {
    const { username, password } = new URL(url);
    return username + password === '' && !/[?#]/.test(url);
  }, 'must be a URL without a user, a password, a query (?) or a fragment (#)')
  .transform((url) => url.replace(/\/+$/, ''));

/** One part of a host name (RFC 1123): a region or location, which becomes a part of one. */
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
export const hostLabel = (error: string) => z.string().regex(new RegExp(`^${LABEL}$`, 'i'), error);

/** Whether an HTTP header can carry this value: no line break, no other control character, nothing beyond Latin-1. */
export const isHeaderValue = (value: string): boolean => !throws(() => validateHeaderValue('x-any', value));

/** The end of the sentence about a value that is not. The value may be a secret, so it is not quoted. */
export const NO_HEADER_VALUE =
  'has a line break or another character that an HTTP header cannot carry; write it again, without it';

export const headerValue = z.string().refine(isHeaderValue, NO_HEADER_VALUE);

export const isHeaderName = (name: string): boolean => !throws(() => validateHeaderName(name));

function throws(check: () => void): boolean {
  try {
    check();
    return false;
  } catch {
    return true;
  }
}
