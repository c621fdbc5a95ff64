/** Removes the account's secrets from an upstream's text, so that the operator may read it. */
export type Scrub = (text: string) => string;

/** How many characters of an unreadable answer are kept for the operator. */
const EXCERPT_LENGTH = 300;

/** The beginning of an upstream's text. It is scrubbed before it is cut, because half a secret would not be recognised. */
export const excerpt = (text: string, scrub: Scrub): string => scrub(text).slice(0, EXCERPT_LENGTH);

/** A bearer token (RFC 6750), a Google token, or the signature, key or token in a URL. */
const TOKEN =
  /(?<=\bBearer\s+)[\w.~+/=-]{8,}|\bya29\.[\w.-]+|(?<=[?&](?:key|sig|[\w-]*signature|[\w-]*token)=)[^&\s"']+/gi;

/** Makes a function that blanks these secrets and everything that looks like a bearer token or a signed query. */
export function createScrub(secrets: readonly string[]): Scrub {
  return (text) => {
    let clean = text;
    for (const secret of secrets) if (secret.length > 0) clean = clean.replaceAll(secret, '[secret]');
    return clean.replace(TOKEN, '[secret]');
  };
}

/** How many characters of an upstream's text a caller may read. */
const CALLER_LENGTH = 300;

/** An upstream's text as a caller may read it: one line, without URLs, resources or request ids of the operator's account. */
export function wordsForCaller(text: string): string {
  return text
    .replace(/\b(?:https?|gs|oss):\/\/\S+/g, '[link]')
    .replace(/\bprojects\/[\w.:/-]+/g, '[resource]')
    .replace(/\(?\brequest[ _-]?id:?\s*[\w-]+\)?\.?/gi, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, CALLER_LENGTH);
}
