import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { GlobalFonts } from '@napi-rs/canvas';

/** Font packages, the preferred one first. Each is split into subset files, and `unicode.json` lists their characters. */
const PACKAGES = ['inter', 'noto-sans-sc'];

interface Subset {
  readonly family: string;
  readonly path: string;
  /** Code points, both ends included. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** Text that the fonts can set, and the CSS family list for it. */
export interface Typesetting {
  readonly text: string;
  readonly families: string;
}

const require = createRequire(import.meta.url);
let subsets: readonly Subset[] | undefined;
const registered = new Set<string>();

/**
 * Loads only the font files that a text needs, because the Chinese font alone has a hundred. Characters that no font has (emoji, most
 * other scripts) are left out, because the system's fonts draw them differently on each machine.
 */
export function typeset(text: string): Typesetting {
  subsets ??= PACKAGES.flatMap(readSubsets);
  const used = new Set<Subset>();
  let kept = '';
  for (const character of text) {
    const subset = subsets.find((one) => has(one, character));
    if (!subset) continue;
    kept += character;
    used.add(subset);
  }
  for (const subset of used) register(subset);
  // In the order of the packages, so that the family list depends only on the text.
  const families = subsets.filter((subset) => used.has(subset)).map(({ family }) => `"${family}"`);
  return { text: kept.replaceAll(/\s+/g, ' ').trim(), families: families.join(', ') || 'sans-serif' };
}

function has({ ranges }: Subset, character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return ranges.some(([from, to]) => code >= from && code <= to);
}

function register({ family, path }: Subset): void {
  if (registered.has(family)) return;
  if (!GlobalFonts.registerFromPath(path, family)) throw new Error(`the font file ${path} cannot be read`);
  registered.add(family);
}

function readSubsets(name: string): Subset[] {
  const root = `@fontsource-variable/${name}`;
  // The packages contain it as a map from a subset to its CSS unicode-range.
  const ranges = JSON.parse(readFileSync(require.resolve(`${root}/unicode.json`), 'utf8')) as Record<
    string,
    string
  >;
  return Object.entries(ranges)
    .map(([key, text]) => {
      const subset = key.replaceAll(/[[\]]/g, '');
      return {
        subset,
        family: `onetake ${name} ${subset}`,
        path: require.resolve(`${root}/files/${name}-${subset}-wght-normal.woff2`),
        ranges: text.split(',').map(rangeOf),
      };
    })
    .sort((a, b) => preference(a.subset) - preference(b.subset));
}

/** Common characters are in several subsets. With the plain subset first, a text needs fewer files. */
const preference = (subset: string): number => (subset === 'latin' ? 0 : 1);

function rangeOf(text: string): readonly [number, number] {
  const [from = '0', to = from] = text.trim().slice(2).split('-');
  return [Number.parseInt(from, 16), Number.parseInt(to, 16)];
}
