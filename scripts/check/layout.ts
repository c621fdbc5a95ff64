// The layout rules that no other tool checks; CONTRIBUTING.md gives the reasons.
import { readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { trackedFiles } from './trackedFiles.ts';

/** The maximum number of files in one folder, without its subfolders. */
const MAX_FILES = 20;
/** A file with fewer lines and one importer is merged into its importer. */
const MIN_LINES = 40;

/** Short files with one importer that stay separate, and why. */
const SHORT: readonly { readonly files: RegExp; readonly why: string }[] = [
  { files: /\/time\/turns\.ts/, why: 'about the event loop, not about polls' },
  { files: /\/store\/migrations\//, why: 'a migration is a file, and is never edited once it has shipped' },
  {
    files: /\/store\/(?:sqlite|postgres)\/(?:accounts|estimates|keys|media|parts)\.ts/,
    why: 'a part of the store, the same in each driver',
  },
  {
    files: /\/api\/http\/(?:base64|hangUp)\.ts$/,
    why: 'about HTTP alone, and the route that uses it is long',
  },
  {
    files: /\/api\/pendingReads\.ts$/,
    why: 'what every read of a task goes through, whichever route comes next',
  },
  { files: /\/cli\/operator\/migrate\.ts$/, why: 'a file per subcommand' },
  {
    files: /\/cluster\/postgres\/(?:databaseClock|livingNodes)\.ts$/,
    why: 'a question to the server of its own connection',
  },
  { files: /\/cli\/(?:run|compileCache)\.ts$/, why: 'what an older Node must not import' },
  { files: /\/api\/openapi\/reference\.ts$/, why: 'loaded only when somebody asks for the page' },
  {
    files: /\/cli\/workers\/(?:lines|restarts)\.ts$/,
    why: 'tested by itself, without processes, clocks or signals',
  },
  { files: /\/cluster\/rebalance\.ts$/, why: 'a pure function, tested by itself' },
  {
    files: /\/engine\/(?:cleanup\/removeTask|events\/remoteEvents)\.ts$/,
    why: 'one step of its own, of a part that is long',
  },
  { files: /\/catalogue\/entries\//, why: 'a table: the models of one family' },
  {
    files: /\/simulators\/src\/\w+\/(?:errors|models)\.ts$/,
    why: "a table from an upstream's documents, of the same name for each upstream",
  },
  { files: /\/scenes\/registry\.ts$/, why: 'a table: the scene of each kind of place' },
  {
    files: /\/(?:preview\/render|inspect\/spriteSheet)\.job\.ts$/,
    why: 'what a child process imports, and the gateway itself must not',
  },
  {
    files: /\/media\/videoLimit\.ts$/,
    why: 'a formula and its sources, about media, not about how the engine downloads it',
  },
  { files: /\/aiSdk\/packages\.ts$/, why: 'a table: the packages that are known' },
  {
    files: /\/providers\/(?:http\/leaseGuard|search\/sharedAnswers)\.ts$/,
    why: 'what adapters share is in no adapter',
  },
  {
    files: /\/(?:preview\/request|ark\/webhook|openai\/webhook)\.ts$/,
    why: 'the same role has the same file name in each adapter',
  },
];

const tracked = trackedFiles();
const files = (tracked ?? []).filter((file) =>
  /^(?:packages|bench|chaos|scripts)\/.*\.(?:ts|mjs)$/.test(file),
);
const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
const problems: string[] = [];

for (const [folder, count] of countBy(files.map((file) => dirname(file))))
  if (count > MAX_FILES)
    problems.push(`${folder} has ${count} files; at most ${MAX_FILES}: make folders of them`);

for (const file of files) {
  const folder = basename(dirname(file));
  const name = basename(file);
  if (name.startsWith(folder) && /^[A-Z]/.test(name.slice(folder.length)))
    problems.push(`${file}: the folder carries the prefix already`);
}

const importers = new Map<string, Set<string>>();
for (const [file, text] of texts)
  for (const [, specifier = ''] of text.matchAll(/(?:\bfrom|\bimport|\bURL\()\s*\(?'(\.[^']+)'/g)) {
    const target = join(dirname(file), specifier);
    importers.set(target, (importers.get(target) ?? new Set()).add(file));
  }
const short = files.filter((file) => {
  const by = [...(importers.get(file) ?? [])].filter((from) => isSource(from));
  const lines = texts.get(file)?.split('\n').length ?? 0;
  return isSource(file) && by.length === 1 && lines <= MIN_LINES;
});
for (const file of short)
  if (!SHORT.some(({ files: some }) => some.test(file)))
    problems.push(
      `${file} has under ${MIN_LINES} lines and one importer: put it there, or give a reason in ${relative('.', import.meta.filename)}`,
    );
for (const { files: some } of tracked ? SHORT : [])
  if (!short.some((file) => some.test(file)))
    problems.push(`${some} fits no short file any more in ${relative('.', import.meta.filename)}`);

function isSource(file: string): boolean {
  return /^packages\/[^/]+\/src\//.test(file);
}

function countBy(keys: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

for (const problem of problems) console.error(problem);
console.log(
  tracked ? `${files.length} files, ${problems.length} problems` : 'no git checkout here, nothing to look at',
);
process.exitCode = problems.length > 0 ? 1 : 0;
