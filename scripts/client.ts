// Writes the types of `packages/client`, which are made from the gateway's OpenAPI document. With `--check` it says whether they are up to
// date, and packs the libraries as they are published and checks that their code and types resolve everywhere.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkTarball, checkWebOnly } from './client/check.ts';
import { checkTypes, writeTypes } from './client/schema.ts';
import { pack } from './pack/tarball.ts';
import { npmPackages } from './packages.ts';

const tools = join(
  await npmPackages(fileURLToPath(new URL('./client/tools', import.meta.url))),
  'node_modules/.bin',
);

if (process.argv.includes('--check')) {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-client-'));
  try {
    const problems = [
      ...(await checkTypes(tools)),
      ...(await checkWebOnly()),
      ...(await checkTarball(await pack('client', folder), tools)),
      ...(await checkTarball(await pack('ai-sdk-provider', folder), tools)),
    ];
    for (const problem of problems) console.error(problem);
    process.exitCode = problems.length > 0 ? 1 : 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
} else await writeTypes(tools);
