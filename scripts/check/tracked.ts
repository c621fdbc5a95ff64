import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { findMissingDocuments } from './mentions.ts';
import { findTraces } from './traces.ts';
import { trackedFiles } from './trackedFiles.ts';

/** A larger file is a fixture or a picture, which people check. */
const MAX_BYTES = 2_000_000;

const ownPaths = [process.cwd(), homedir()].filter((folder) => folder.length > '/root'.length);
const files = trackedFiles();
const documents = (files ?? []).filter((file) => file.endsWith('.md'));
const problems = (files ?? []).flatMap((file) => {
  if (statSync(file).size > MAX_BYTES) return [];
  const bytes = readFileSync(file);
  if (bytes.includes(0)) return [];
  const text = bytes.toString('utf8');
  return [...findTraces(text, ownPaths), ...findMissingDocuments(text, documents)].map(
    (problem) => `${file}:${problem}`,
  );
});

for (const problem of problems) console.error(problem);
console.log(
  files ? `${files.length} files, ${problems.length} problems` : 'no git checkout here, nothing to look at',
);
process.exitCode = problems.length === 0 ? 0 : 1;
