/**
 * Changes that a service may make to a prompt before it reports it: normal forms, escapes, columns that are too short. Seen with
 * multipart forms (HTML Standard: line ends become CRLF), databases and dashboards. No upstream documents its own.
 */
export const REWORDINGS = {
  crlf: (prompt) => prompt.replace(/\r\n|\r|\n/g, '\r\n'),
  cr: (prompt) => prompt.replace(/\r\n|\n/g, '\r'),
  trim: (prompt) => prompt.trim(),
  collapse: (prompt) => prompt.replace(/\s+/gu, ' '),
  nfc: (prompt) => prompt.normalize('NFC'),
  nfd: (prompt) => prompt.normalize('NFD'),
  nfkc: (prompt) => prompt.normalize('NFKC'),
  html: (prompt) => prompt.replace(/[&<>"]/g, (sign) => ENTITIES[sign] ?? sign),
  json: (prompt) => JSON.stringify(prompt).slice(1, -1),
  /** Keeps the first half. */
  cut: (prompt) => halfOf(prompt),
  ellipsis: (prompt) => `${halfOf(prompt)}…`,
  empty: () => '',
} as const satisfies Readonly<Record<string, (prompt: string) => string>>;

export type Rewording = keyof typeof REWORDINGS;

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function halfOf(prompt: string): string {
  const characters = [...prompt];
  return characters.slice(0, Math.ceil(characters.length / 2)).join('');
}
