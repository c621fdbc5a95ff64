/** Documents that are mentioned but are no files of the repository. */
const ELSEWHERE = [
  // A phrase of package.json files: https://docs.npmjs.com/cli/configuring-npm/package-json#license
  'LICENSE.md',
  // Written by `npm run mutants`.
  'survivors.md',
];

/** A Markdown file, with its folders if they are given. Not the end of a pattern, a placeholder or an address. */
const MENTION = /(?<![\w*>}/:.-])[\w./-]*\w\.md\b/g;

/** Mentions of Markdown files that do not exist, as `line: what`. A mention may leave out folders at its beginning. */
export function findMissingDocuments(text: string, documents: readonly string[]): string[] {
  const exists = (mention: string): boolean => {
    const path = mention.replace(/^(?:\.{1,2}\/)+/, '');
    return [...documents, ...ELSEWHERE].some((file) => file === path || file.endsWith(`/${path}`));
  };
  return text.split('\n').flatMap((line, index) =>
    [...line.matchAll(MENTION)]
      .map(([mention]) => mention)
      .filter((mention) => !mention.startsWith('.tmp/') && !exists(mention))
      .map((mention) => `${index + 1}: there is no ${mention}`),
  );
}
