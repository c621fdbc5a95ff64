import { join } from 'node:path';
import type { MediaStat } from './media.ts';

/** How a reverse proxy is told to send a stored file itself, in place of the answer that names it. */
export interface Sendfile {
  readonly header: string;
  /** What precedes the key of an object: the path of an internal location, or a folder as the proxy sees it. */
  readonly prefix: string;
}

/** The header, and whether its value is a path of the proxy's own instead of a file. */
const HEADERS = { 'X-Accel-Redirect': true, 'X-Sendfile': false } as const;

/** Without `..`, and without what means something else in a URL or a header. Not `/`, where the proxy has the API, or all files. */
const PATH = /^\/(?=[\w.~+@-])(?!.*\/\.\.?(?:\/|$))[\w/.~+@-]*$/;

/**
 * Reads `X-Accel-Redirect:/protected/` or `X-Sendfile`, which may have a folder, too. Throws an error that says what is allowed. Without a
 * folder, `prefix` is empty: that of this gateway is meant.
 */
export function readSendfile(text: string): Sendfile {
  const [, name = '', prefix = ''] = /^([\w-]+)(?::(.*))?$/.exec(text) ?? [];
  const header = Object.keys(HEADERS).find((known) => known.toLowerCase() === name.toLowerCase());
  if (header === undefined)
    throw new Error('must be X-Accel-Redirect:/protected/ (nginx) or X-Sendfile (Apache, lighttpd)');
  if (prefix === '' && HEADERS[header as keyof typeof HEADERS])
    throw new Error(`${header} needs the path of an internal location, such as ${header}:/protected/`);
  if (prefix !== '' && !PATH.test(prefix))
    throw new Error(
      `${header}: "${prefix}" must be a path of its own, such as /protected/, that begins with one / and has only plain characters`,
    );
  return { header, prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/` };
}

/** The value of the header for an object that is a file below `root`. */
export const sendfileValue = ({ prefix }: Sendfile, root: string, key: string): string =>
  prefix === '' ? join(root, key) : `${prefix}${key}`;

/** Whether the proxy keeps `Cache-Control` of the gateway's answer even in its own errors, as nginx does. */
export const keptInErrors = ({ header }: Sendfile): boolean => header === 'X-Accel-Redirect';

/**
 * The entity tag of a file that the proxy sends. nginx replaces ours by its own, of the time and length, and compares that in `If-Range`, so
 * ours is the same. Undefined if the proxy keeps ours.
 */
export const sendfileEtag = ({ header }: Sendfile, { bytes, modifiedAt }: MediaStat): string | undefined =>
  header === 'X-Accel-Redirect'
    ? `"${Math.floor(modifiedAt / 1000).toString(16)}-${bytes.toString(16)}"`
    : undefined;
