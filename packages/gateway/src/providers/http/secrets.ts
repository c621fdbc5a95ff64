import { BLANK, formsOf, withoutLooks } from '../../observability/secretText.ts';

/** Removes the account's secrets from an upstream's text, so that the operator may read it. */
export type Scrub = (text: string) => string;

/** How many characters of an unreadable answer are kept for the operator. */
const EXCERPT_LENGTH = 300;

/** The beginning of an upstream's text. It is scrubbed before it is cut, because half a secret would not be recognised. */
export const excerpt = (text: string, scrub: Scrub): string => scrub(text).slice(0, EXCERPT_LENGTH);

/** Makes a function that blanks these secrets, as the list is when it is called, and everything that looks like a bearer token or a signed query. */
export function createScrub(secrets: readonly string[]): Scrub {
  return (text) => {
    // In one pass, the longest first: one form may be a part of another, or of what stands in its place.
    const forms = secrets.filter(Boolean).flatMap(formsOf);
    const known = forms.sort((a, b) => b.length - a.length).map((form) => RegExp.escape(form));
    const clean = known.length > 0 ? text.replace(new RegExp(known.join('|'), 'g'), BLANK) : text;
    return withoutLooks(clean);
  };
}

/** How many characters of an upstream's text a caller may read. */
const CALLER_LENGTH = 300;

/** Where a page begins. Nothing in it is meant for a caller of an API. */
const PAGE = /<(?:!doctype|\?xml|html|head|body|title|script|style)\b.*/is;
const TAG = /<[/!]?[a-z][^<>]*>/gi;

/** An upstream's text as a caller may read it: one line, without markup, URLs, resources or request ids of the operator's account. */
export function wordsForCaller(text: string): string {
  return text
    .replace(PAGE, '')
    .replace(TAG, ' ')
    .replace(/\b(?:https?|gs|oss):\/\/\S+/g, '[link]')
    .replace(/\bprojects\/[\w.:/-]+/g, '[resource]')
    .replace(/\(?\brequest[ _-]?id:?\s*[\w-]+\)?\.?/gi, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, CALLER_LENGTH);
}
