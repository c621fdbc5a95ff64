// Writes the types of `packages/client`, which are made from the gateway's OpenAPI document. With `--check` it says whether they are up to
// date, builds the package as it is published, and checks that its code and types resolve everywhere.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPackage, packClient } from './client/package.ts';
import { checkSchema, writeSchema } from './client/schema.ts';
import { npmPackages } from './packages.ts';

const tools = join(
  await npmPackages(fileURLToPath(new URL('./client/tools', import.meta.url))),
  'node_modules/.bin',
);

if (process.argv.includes('--check')) {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-client-'));
  try {
    const problems = [
      ...(await checkSchema(tools)),
      ...(await checkPackage(await packClient(folder), tools)),
    ];
    for (const problem of problems) console.error(problem);
    process.exitCode = problems.length > 0 ? 1 : 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
} else await writeSchema(tools);
