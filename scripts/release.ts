// Makes the changes of a release, to be committed: the next version of all packages, from the changesets, and the changelog.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { release } from './release/release.ts';

const root = process.cwd();
const version = await release(root, new Date());
// The lock file names the versions of the packages of this repository.
await promisify(execFile)('npm', ['install', '--package-lock-only', '--no-audit', '--no-fund'], {
  cwd: root,
});
console.log(
  `Version ${version}. Look at the changes, commit them, and publish what \`npm run pack\` writes.`,
);
