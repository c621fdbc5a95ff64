/** How a prompt in an upstream's list compares to one of ours. */
export type PromptMatch = 'same' | 'near' | 'different';

/**
 * Compares a prompt of ours with one in an upstream's list. `same`: the difference, if any, is irrelevant to a model. `near`: the
 * listed prompt may be ours as the upstream stores or shows it (escaped, truncated, with characters removed, in another normal
 * form), but may also be another one. Prompts that are `same` always have an equal `promptKey`.
 */
export function matchPrompt(ours: string, listed: string): PromptMatch {
  if (normalised(ours) === normalised(listed)) return 'same';
  const rest = listed.replace(PART_OF_ESCAPE, '');
  // What looks like an escape may also be the caller's own text, so every reading is compared.
  const isNear = [rest, withoutJson(rest)].some((theirs) =>
    [promptKey, lettersOf].some((keyOf) => isPart(keyOf(ours), keyOf(theirs))),
  );
  return isNear ? 'near' : 'different';
}

/**
 * The part of a prompt that survives forms, databases and web pages: its letters and digits, with escapes decoded. Prompts with
 * the same key cannot be told apart in some lists.
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

/** Whether the upstream truncated our prompt, or added text of its own around it. */
const isPart = (ours: string, theirs: string): boolean => ours.startsWith(theirs) || theirs.includes(ours);

/** Decodes text that was escaped for JSON; returns any other text unchanged. */
function withoutJson(text: string): string {
  try {
    return JSON.parse(`"${text}"`);
  } catch {
    return text;
  }
}

/** Letters and digits, without characters outside the basic plane, which old databases cannot store. */
const lettersOf = (text: string): string =>
  text.normalize('NFKD').replace(/[^\p{L}\p{N}]|[\u{10000}-\u{10ffff}]/gu, '');

/** White space and composed characters mean the same to a model in any form. */
const normalised = (prompt: string): string => prompt.normalize('NFC').replace(/\s+/gu, ' ').trim();

/** An incomplete escape at the end of a truncated text, possibly followed by an ellipsis. */
const PART_OF_ESCAPE = /(?:&(?:amp;)*[#\w]{0,9}|(?<!\\)\\+u?[0-9a-f]{0,4})(?:…|\.{3})?$/i;

const characterOf = (code: number): string => (code <= 0x10ffff ? String.fromCodePoint(code) : '');
