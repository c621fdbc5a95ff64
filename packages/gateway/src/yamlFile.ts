import {
  type Alias,
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';

/** A YAML file that knows where each of its members is. */
export interface YamlFile {
  /** An empty mapping if the file is empty. */
  readonly value: unknown;
  /** `file, line 3`: the line of a member, or of the innermost one around it that exists. */
  placeOf(path: readonly PropertyKey[]): string;
}

/**
 * Reads YAML 1.2 with merge keys. `problems` has the first error of its syntax, from which others follow, with its line. It never quotes the
 * text, which may contain a secret.
 */
export function readYaml(name: string, text: string): { file: YamlFile | undefined; problems: string[] } {
  const lines = new LineCounter();
  // A pretty error quotes the line.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const placeAt = (offset: number) => `${name}, line ${lines.linePos(offset).line}`;
  const problems = [
    ...document.errors.map(({ message, pos }) => `${placeAt(pos[0])}: ${message}.`),
    ...aliasProblems(document).map(({ alias, message }) => `${placeAt(alias.range?.[0] ?? 0)}: ${message}.`),
  ].slice(0, 1);
  if (problems.length > 0) return { file: undefined, problems };
  try {
    const value: unknown = document.toJS() ?? {};
    const placeOf = (path: readonly PropertyKey[]) => placeAt(offsetOf(document.contents, path));
    return { file: { value, placeOf }, problems };
  } catch (error) {
    // `toJS` resolves aliases. It throws if there are too many.
    return {
      file: undefined,
      problems: [`${name}: ${error instanceof Error ? error.message : String(error)}.`],
    };
  }
}

/** Aliases that stand for nothing, or for something that they are a part of, which would have no end. */
function aliasProblems(document: Document.Parsed): { alias: Alias; message: string }[] {
  const problems: { alias: Alias; message: string }[] = [];
  visit(document, {
    Alias(_key, alias, around) {
      const name = alias.source;
      const meant = alias.resolve(document);
      if (!meant) problems.push({ alias, message: `there is no &${name} before *${name}` });
      else if (around.includes(meant)) problems.push({ alias, message: `*${name} is a part of itself` });
    },
  });
  return problems;
}

function offsetOf(root: Node | null, path: readonly PropertyKey[]): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (!pair) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
