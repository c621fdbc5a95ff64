import fc from 'fast-check';

/** A change that an upstream may make to a prompt between accepting and listing it. */
export interface Perturbation {
  readonly name: string;
  apply(prompt: string): string;
}

/** Realistic and extreme prompts: lines, spaces, composed and decomposed characters, symbols, emoji, escapes. */
export const aPromptText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'a paper boat',
        'un café',
        'cafe\u0301',
        '一只纸船',
        'नाव',
        '한국',
        'ﬁ ① x²',
        '🚤👨‍👩‍👧',
      ),
      fc.constantFrom(
        '\n',
        '\r\n',
        '\r',
        '\t',
        '  ',
        '\u00a0',
        ' & ',
        '"',
        '<b>',
        '&amp;',
        '\\n',
        '\\',
        '…',
        '...',
      ),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.join(''))
  .filter((text) => text.trim() !== '' && text.isWellFormed() && !text.includes('\0'));

const perturbation = (name: string, apply: Perturbation['apply']): Perturbation => ({ name, apply });

const HARMLESS = [
  perturbation('crlf', (text) => text.replace(/\r\n|\r|\n/g, '\r\n')),
  perturbation('cr', (text) => text.replace(/\r\n|\n/g, '\r')),
  perturbation('lf', (text) => text.replace(/\r\n?/g, '\n')),
  perturbation('trim', (text) => text.trim()),
  perturbation('collapse', (text) => text.replace(/\s+/gu, ' ')),
  perturbation('nfc', (text) => text.normalize('NFC')),
  perturbation('nfd', (text) => text.normalize('NFD')),
];

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

const DOUBTFUL = [
  perturbation('nfkc', (text) => text.normalize('NFKC')),
  perturbation('html', (text) => text.replace(/[&<>"]/g, (sign) => ENTITIES[sign] ?? sign)),
  perturbation('json', (text) => JSON.stringify(text).slice(1, -1)),
  perturbation('ascii json', (text) =>
    JSON.stringify(text)
      .slice(1, -1)
      .replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
  ),
  perturbation('no astral', (text) =>
    text.replace(/[\u{10000}-\u{10ffff}]/gu, (one) => (one.normalize('NFKD') === one ? '' : one)),
  ),
];

const cut = fc.tuple(fc.nat(200), fc.constantFrom('', '…', '...')).map(([at, end]) =>
  perturbation(`cut at ${at}`, (text) => {
    const characters = [...text];
    return characters.length <= at ? text : `${characters.slice(0, at).join('')}${end}`;
  }),
);

const all = (changes: readonly Perturbation[]): Perturbation =>
  perturbation(changes.map(({ name }) => name).join(', '), (text) =>
    changes.reduce((changed, { apply }) => apply(changed), text),
  );

/** Changes that keep the meaning of the words. */
export const harmless: fc.Arbitrary<Perturbation> = fc.subarray(HARMLESS).map(all);

/** One or more of all possible changes, with a truncation at the end. */
export const perturbations: fc.Arbitrary<Perturbation> = fc
  .tuple(
    harmless,
    fc.option(fc.constantFrom(...DOUBTFUL), { nil: undefined }),
    fc.option(cut, { nil: undefined }),
  )
  .map(([first, ...others]) => all([first, ...others.filter((change) => change !== undefined)]));
