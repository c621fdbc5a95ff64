import { existsSync, readFileSync } from 'node:fs';
import { isAllowed } from './spdx.ts';

const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MPL-2.0',
  // Fonts. The licence requires that they are not sold by themselves and keep their name and licence; text drawn with them is free.
  'OFL-1.1',
  'Python-2.0',
  'Unlicense',
  'Zlib',
];

const EXPLAINED_IN = 'docs/third-party.md';

interface Exception {
  readonly packages: RegExp;
  /** The licence according to its files, if its package.json has none or not all of it. */
  readonly licence: string;
  /** Set if the licence has conditions for redistribution, which `EXPLAINED_IN` must explain. */
  readonly explainedAs?: string;
}

const EXCEPTIONS: readonly Exception[] = [
  // The package names no licence; its LICENSE file is the three-clause BSD text.
  { packages: /^@shinyoshiaki\/jspack$/, licence: 'BSD-3-Clause' },
  // Dependencies of s3rver, which only tests use. They declare MIT in an old form in package.json ("licenses"), or only in the readme.
  { packages: /^(busboy|dicer|streamsearch|humanize-number|only)$/, licence: 'MIT' },
  // A table of browser features, a dependency of the compiler that `npm run mutants` uses. Requires that its origin is named.
  { packages: /^caniuse-lite$/, licence: 'CC-BY-4.0', explainedAs: 'caniuse-lite' },
  // Tables of the SPDX project, dependencies of the library that this check uses. They require that their origin is named.
  { packages: /^spdx-(exceptions|ranges)$/, licence: 'MIT AND CC-BY-3.0', explainedAs: 'spdx-exceptions' },
  // package.json says MIT, for the bindings. The binary contains FFmpeg, configured with --enable-gpl and --enable-version3
  // (libx264, libx265): GPL-3.0-or-later as a whole. npm fetches it on the user's machine; we do not distribute it.
  { packages: /^@seydx\/node-av-/, licence: 'MIT AND GPL-3.0-or-later', explainedAs: '@seydx/node-av' },
];

interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly link?: boolean;
}

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(
  readFileSync('package-lock.json', 'utf8'),
);
const explanations = existsSync(EXPLAINED_IN) ? readFileSync(EXPLAINED_IN, 'utf8') : '';
const problems = new Set<string>();
const unused = new Set(EXCEPTIONS);
let checked = 0;

for (const [path, entry] of Object.entries(lock.packages)) {
  const name = path.split('node_modules/')[1] === undefined ? undefined : path.split('node_modules/').at(-1);
  if (name === undefined || entry.link) continue;
  checked++;
  const exception = EXCEPTIONS.find(({ packages }) => packages.test(name));
  if (!exception) {
    if (!isAllowed(entry.license ?? '', ALLOWED)) {
      problems.add(`${name}@${entry.version}: licence ${entry.license ?? 'not stated'} is not on the list`);
    }
    continue;
  }
  unused.delete(exception);
  const { explainedAs, licence } = exception;
  if (explainedAs === undefined ? !isAllowed(licence, ALLOWED) : !explanations.includes(explainedAs)) {
    problems.add(`${explainedAs ?? name}: ${licence} must be explained in ${EXPLAINED_IN}`);
  }
}
for (const { packages } of unused) problems.add(`${packages}: no such package any more, drop the exception`);

for (const problem of problems) console.error(problem);
console.log(`${checked} packages, ${problems.size} problems`);
process.exitCode = problems.size === 0 ? 0 : 1;
