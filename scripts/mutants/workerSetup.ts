import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, vi } from 'vitest';
import { lane, run, switches, writeCoverage } from './switches.ts';

// Runs in each of Vitest's workers before a test file is imported.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

process.env.NODE_OPTIONS = `--import=${new URL('childSetup.ts', import.meta.url)}`;
process.env.TMPDIR = path.join(lane, 'tmp');
if (run.testTimeout !== undefined)
  vi.setConfig({ testTimeout: run.testTimeout, hookTimeout: run.testTimeout });

let file = '';

beforeEach(({ task }) => {
  file = path.relative(ROOT, task.file.filepath);
  switches.currentTestId = task.fullTestName;
  process.env.MUTANTS_FILE = file;
  process.env.MUTANTS_TEST = switches.currentTestId;
});

afterEach(() => {
  switches.currentTestId = undefined;
  process.env.MUTANTS_TEST = '';
});

afterAll(() => {
  if (file) writeCoverage(file, '');
});
