/** What a prompt that an upstream lists says about one of ours. */
export type PromptMatch = 'same' | 'near' | 'different';

/**
 * Compares a prompt of ours with one that an upstream lists. `same`: they differ in nothing that a model reads. `near`: the
 * listed one may be ours as the upstream stores or shows it (escaped, cut, cleaned of characters, in another normal form), and
 * may be another. Two prompts are `same` only where `promptKey` is equal for both.
 */
export function matchPrompt(ours: string, listed: string): PromptMatch {
  if (readAs(ours) === readAs(listed)) return 'same';
  const rest = listed.replace(PART_OF_ESCAPE, '');
  // What looks like an escape may be the caller's own words: all readings count.
  const isNear = [rest, withoutJson(rest)].some((theirs) =>
    [promptKey, lettersOf].some((keyOf) => isPart(keyOf(ours), keyOf(theirs))),
  );
  return isNear ? 'near' : 'different';
}

/**
 * What is left of a prompt whatever forms, databases and pages do to it: its letters and digits, escapes undone. Prompts that
 * share it cannot be told apart in every list.
 */
export function promptKey(prompt: string): string {
  const plain = prompt
    .normalize('NFKD')
    .replace(/(?<!\\)\\+u([0-9a-f]{4})/gi, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    )
    .replace(/&(?:amp;)*#(?:x([0-9a-f]{1,6})|(\d{1,7}));/gi, (_, hex?: string, decimal?: string) =>
      characterOf(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)),
    )
    .replace(/&(?:(?:amp|lt|gt|quot|apos|nbsp);)*/gi, ' ')
    .replace(/\\+[nrtbf]?/g, ' ');
  return lettersOf(plain);
}

/** Cut by the upstream, or with words of its own around ours. */
const isPart = (ours: string, theirs: string): boolean => ours.startsWith(theirs) || theirs.includes(ours);

/** Text that was escaped for JSON, or as it is. */
function withoutJson(text: string): string {
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return text;
  }
}

/** Without those that old databases cannot hold. */
const lettersOf = (text: string): string =>
  text.normalize('NFKD').replace(/[^\p{L}\p{N}]|[\u{10000}-\u{10ffff}]/gu, '');

/** Line ends, spaces and composed characters read the same to a model, whatever a form or a list makes of them. */
const readAs = (prompt: string): string => prompt.normalize('NFC').replace(/\s+/gu, ' ').trim();

/** An escape that a cut has left the beginning of, and what may stand for the rest. */
const PART_OF_ESCAPE = /(?:&(?:amp;)*[#\w]{0,9}|(?<!\\)\\+u?[0-9a-f]{0,4})(?:…|\.{3})?$/i;

const characterOf = (code: number): string => (code <= 0x10ffff ? String.fromCodePoint(code) : '');
