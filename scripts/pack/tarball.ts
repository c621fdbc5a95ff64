import { glob, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildGateway } from './gateway.ts';
import { buildLibrary } from './library.ts';
import { run } from './staging.ts';

/** How each package that is published is built. */
const BUILDS = { 'ai-sdk-provider': buildLibrary, client: buildLibrary, gateway: buildGateway } as const;

export type PackageName = keyof typeof BUILDS;
export const PACKAGE_NAMES = Object.keys(BUILDS) as readonly PackageName[];
export const isPackageName = (name: string): name is PackageName => Object.hasOwn(BUILDS, name);

/** Builds a package as it is published, and returns the path of the tarball that it writes into the folder `into`. */
export async function pack(name: PackageName, into: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-pack-'));
  try {
    await BUILDS[name](name, folder);
    await mkdir(into, { recursive: true });
    // Those of earlier versions would match the patterns of the documentation as well.
    for await (const earlier of glob(`onetake-${name}-[0-9]*.tgz`, { cwd: into }))
      await rm(join(into, earlier));
    const args = ['pack', folder, '--pack-destination', into, '--ignore-scripts', '--loglevel=error'];
    const { stdout } = await run('npm', args);
    return join(into, stdout.trim());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
