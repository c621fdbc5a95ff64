import { type Matcher, RE2JS } from 're2js';

/** Characters of a text in which a regular expression is looked for, which takes about a tenth of a second. */
const LONGEST_TEXT = 2 ** 18;
/** Milliseconds for all the matches of one evaluation: they follow each other without letting other work go on. */
const MOST_MS = 250;
/** The most that one match counts: the process may have been suspended meanwhile. */
const MOST_MS_A_MATCH = 50;

/** A pattern that RE2 does not take. */
export class UnsupportedPattern extends Error {}

/** Compiles a pattern as JavaScript writes it. RE2 matches it in a time that is linear in the text, whatever the pattern. Throws `UnsupportedPattern`. */
function compile(source: string, flags: string): RE2JS {
  try {
    const ignoreCase = flags.includes('i') ? RE2JS.CASE_INSENSITIVE : 0;
    const multiline = flags.includes('m') ? RE2JS.MULTILINE : 0;
    return RE2JS.compile(RE2JS.translateRegExp(source), ignoreCase | multiline);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UnsupportedPattern(
      `is not a regular expression of RE2, which has no backreferences and no lookaround: ${why}`,
      { cause: error },
    );
  }
}

/** A pattern for the codes and messages of an upstream, in which case does not matter. */
export class Pattern {
  readonly #compiled: RE2JS;

  /** Throws `UnsupportedPattern`. */
  constructor(source: string) {
    this.#compiled = compile(source, 'i');
  }

  /** Whether it is in the beginning of a text: an error that is too long must not hide its status. */
  test(text: string): boolean {
    return this.#compiled.test(text.slice(0, LONGEST_TEXT));
  }
}

/** Compiles the literals of an expression, wherever they are in its syntax tree. Throws `UnsupportedPattern`. */
export function compileLiterals(tree: object, compiled: Map<RegExp, RE2JS>): void {
  const seen = new Set<unknown>();
  const visit = (part: unknown): void => {
    if (typeof part !== 'object' || part === null || seen.has(part)) return;
    seen.add(part);
    if (part instanceof RegExp) compiled.set(part, compile(part.source, part.flags));
    else Object.values(part).forEach(visit);
  };
  visit(tree);
}

/** What JSONata uses in place of `RegExp`: it makes one whenever it evaluates a literal, and then calls `exec` for each match. */
export const engineOf = (compiled: ReadonlyMap<RegExp, RE2JS>): RegExpConstructor =>
  class {
    lastIndex = 0;
    readonly #compiled: RE2JS;
    #matcher: Matcher | undefined;
    #text = '';
    #spentMs = 0;

    constructor(literal: RegExp) {
      const known = compiled.get(literal);
      if (!known) throw new Error(`/${literal.source}/ was not compiled`);
      this.#compiled = known;
    }

    exec(text: string): { readonly index: number; readonly [group: number]: string | undefined } | null {
      if (text.length > LONGEST_TEXT)
        throw new Error(`a regular expression takes texts of at most ${LONGEST_TEXT} characters`);
      if (this.#spentMs > MOST_MS)
        throw new Error('computes for too long; its regular expression matches too often');
      const since = performance.now();
      if (text !== this.#text || !this.#matcher) this.#matcher = this.#compiled.matcher(text);
      this.#text = text;
      const matcher = this.#matcher;
      const isFound = matcher.find(this.lastIndex);
      this.#spentMs += Math.min(MOST_MS_A_MATCH, performance.now() - since);
      this.lastIndex = isFound ? matcher.end() : 0;
      if (!isFound) return null;
      const groups = Array.from(
        { length: matcher.groupCount() + 1 },
        (_, group) => matcher.group(group) ?? undefined,
      );
      return Object.assign(groups, { index: matcher.start() });
    }
    // JSONata needs no more of a `RegExp` than this.
  } as unknown as RegExpConstructor;
