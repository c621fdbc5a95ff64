/** Upstream words as the operator may read them: everything but the account's own secrets. */
export type Scrub = (text: string) => string;

/** Characters of an upstream's words that are kept for the operator, where it has no better ones. */
const EXCERPT_LENGTH = 300;

/** The beginning of an upstream's words. What is cut off is cut after the scrubbing: half a secret is not known for one. */
export const excerpt = (text: string, scrub: Scrub): string => scrub(text).slice(0, EXCERPT_LENGTH);

/** A bearer token (RFC 6750), one of Google's, or the signature, key or token in an address. */
const TOKEN =
  /(?<=\bBearer\s+)[\w.~+/=-]{8,}|\bya29\.[\w.-]+|(?<=[?&](?:key|sig|[\w-]*signature|[\w-]*token)=)[^&\s"']+/gi;

/** Makes a function that blanks these secrets, and anything that looks like a bearer token or a signed query. */
export function createScrub(secrets: readonly string[]): Scrub {
  return (text) => {
    let clean = text;
    for (const secret of secrets) if (secret.length > 0) clean = clean.replaceAll(secret, '[secret]');
    return clean.replace(TOKEN, '[secret]');
  };
}

/** Characters of an upstream's words that a caller gets to read. */
const CALLER_LENGTH = 300;

/** Upstream words as a caller may read them: no addresses, no resources or request ids of the operator's account, one line. */
export function wordsForCaller(text: string): string {
  return text
    .replace(/\b(?:https?|gs|oss):\/\/\S+/g, '[link]')
    .replace(/\bprojects\/[\w.:/-]+/g, '[resource]')
    .replace(/\(?\brequest[ _-]?id:?\s*[\w-]+\)?\.?/gi, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, CALLER_LENGTH);
}
