/** What stands for a secret. */
export const BLANK = '[secret]';

/** A secret as it is, and as it stands in a URL, which upstreams quote when they refuse a call. */
export const formsOf = (secret: string): readonly string[] => [
  secret,
  encodeURIComponent(secret),
  new URLSearchParams({ '': secret }).toString().slice(1),
];

/** The names of parameters of a URL whose values are secrets: of S3, OSS, TOS, Google and OpenAI, among others. */
const PARAMETER =
  '(?:key|sig|OSSAccessKeyId|[\\w-]{0,64}(?:api[-_]?key|signature|token|jwt|secret|password|credential))=';

/**
 * What looks like a secret, wherever it stands; the case of letters does not matter where nothing says so. Text may be long, so no
 * lookaround has an unbounded quantifier, and no two starts read the same run of characters.
 */
export const LOOKS: readonly string[] = [
  '(?-i:\\bsk-)[\\w-]{8,}',
  '(?-i:\\bwhs(?:ec|k)_)[\\w+/=-]{8,}',
  '(?-i:\\bya29)\\.[\\w.-]+',
  // A JSON Web Token.
  '(?<![\\w-])(?-i:eyJ)[\\w-]+\\.[\\w-]+\\.[\\w-]+',
  // RFC 6750.
  '(?<=\\bBearer\\s{1,4})[\\w.~+/=-]{8,}',
  // RFC 7617. "Basic" is also a word, which a mixture of characters does not follow.
  '(?<=\\bBasic\\s{1,4})(?=[\\w+/-]{0,64}(?:\\d|=|(?-i:[a-z][A-Z])))[\\w+/-]{8,}={0,2}',
  '(?<=authorization["\']?\\s{0,4}[:=]\\s{0,4}["\']?Basic\\s{1,4})[\\w+/-]+={0,2}',
  // Some encoders of JSON and HTML escape the "&".
  `(?<=(?:[?&#]|(?-i:\\\\u0026)|&amp;)${PARAMETER})[^&\\s"'\\\\]+`,
  // The password in a URL.
  '(?<=://[^\\s/:@"\']{0,256}:)[^\\s/"\']{1,256}(?=@)',
];

/** A flag for the case of letters would make each test of a line three times as slow. */
const anyCase = (word: string): string =>
  word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);

/** Matches at least wherever one of `LOOKS` does, also in text that is escaped as JSON. */
export const MAY_LOOK: string = [
  'sk-[\\w-]{8}',
  'whs(?:ec|k)_',
  'ya29\\.',
  'eyJ',
  anyCase('bearer'),
  anyCase('basic'),
  '(?:[?&#;]|u0026)[\\w-]{1,80}=',
  '://[^\\s/"]{1,513}@',
].join('|');

const ANY = new RegExp(LOOKS.join('|'), 'gi');

/** The text without what looks like a secret. */
export const withoutLooks = (text: string): string => text.replace(ANY, BLANK);
