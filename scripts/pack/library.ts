import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finish, PACKAGES, ROOT, readManifest, run } from './staging.ts';

/** Builds a library in `to`, as JavaScript and types. */
export async function buildLibrary(name: string, to: string): Promise<void> {
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  // The sources of a package that it imports are emitted as well.
  const emitted = join(to, 'emitted');
  await run(tsc, ['-p', join(PACKAGES, name), '--rootDir', PACKAGES, '--outDir', emitted]);
  await rename(join(emitted, name, 'src'), join(to, 'dist'));
  await rm(emitted, { recursive: true });
  const manifest = await readManifest(name);
  const exports = Object.entries(manifest.exports).map(([path, source]) => [path, builtFrom(source)]);
  await finish(name, to, { ...manifest, exports: Object.fromEntries(exports) });
}

/** In the repository, package.json names the sources, so that nothing has to be built there. */
function builtFrom(source: string): string | { readonly types: string; readonly default: string } {
  const [, path] = /^\.\/src\/(.*)\.ts$/.exec(source) ?? [];
  return path === undefined ? source : { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` };
}
