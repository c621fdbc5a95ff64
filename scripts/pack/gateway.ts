import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { finish, type Manifest, PACKAGES, ROOT, readManifest } from './staging.ts';

const OURS = '@onetake/';
/** Bindings of FFmpeg, which is a package of its own for each platform. */
const BINDINGS = 'node-av';

/**
 * Builds the gateway in `to`. Node strips no types below node_modules, so they are stripped here, to the same lines and columns. The packages
 * of this repository that it needs are inside.
 */
export async function buildGateway(name: string, to: string): Promise<void> {
  const inner = await innerOf(await readManifest(name));
  const manifest = await stripped(name, to);
  const dependencies = Object.assign({}, ...inner.map(({ dependencies: own }) => own), manifest.dependencies);
  for (const { name: full } of inner) {
    const folder = join(to, 'node_modules', full);
    const { dependencies: _dependencies, ...rest } = await stripped(full.slice(OURS.length), folder);
    await writeFile(join(folder, 'package.json'), JSON.stringify(rest, undefined, 2));
  }
  await finish(name, to, {
    ...manifest,
    bin: { onetake: './dist/cli/main.js' },
    dependencies,
    // Only accounts that use one need it. The gateway says which, and how it is installed.
    peerDependencies: manifest.optionalDependencies,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(manifest.optionalDependencies ?? {}).map((peer) => [peer, { optional: true }]),
    ),
    optionalDependencies: await copyBindings(join(to, 'node_modules', BINDINGS)),
    bundleDependencies: [...inner.map(({ name: full }) => full), BINDINGS],
  });
}

/**
 * Puts the bindings inside, and returns the packages with FFmpeg. By itself npm would run an install script of the bindings that downloads a
 * program, and install 35 MB that only their WebRTC needs.
 */
async function copyBindings(to: string): Promise<Readonly<Record<string, string>>> {
  const from = join(ROOT, 'node_modules', BINDINGS);
  const { version, license, exports, optionalDependencies } = JSON.parse(
    await readFile(join(from, 'package.json'), 'utf8'),
  );
  for (const part of ['dist/lib', 'dist/constants', 'dist/utils', 'LICENSE.md'])
    await cp(join(from, part), join(to, part), {
      recursive: true,
      filter: (path) => !/\.(?:d\.ts|map)$/.test(path),
    });
  const manifest = { name: BINDINGS, version, license, type: 'module', exports };
  await writeFile(join(to, 'package.json'), JSON.stringify(manifest, undefined, 2));
  const platforms = Object.keys(optionalDependencies).filter((name) => name.includes(`/${BINDINGS}-`));
  return Object.fromEntries(platforms.map((name) => [name, version]));
}

/** The packages of this repository that a package needs, directly or not. */
async function innerOf({ dependencies = {} }: Manifest): Promise<readonly Manifest[]> {
  const names = Object.keys(dependencies).filter((name) => name.startsWith(OURS));
  const found = await Promise.all(names.map((name) => readManifest(name.slice(OURS.length))));
  return [...found, ...(await Promise.all(found.map(innerOf))).flat()];
}

/** Writes the code of a package into `to/dist`, and returns its package.json for that. */
async function stripped(name: string, to: string): Promise<Manifest> {
  const source = join(PACKAGES, name, 'src');
  for (const file of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const from = join(file.parentPath, file.name);
    const target = join(to, 'dist', from.slice(source.length)).replace(/\.ts$/, '.js');
    await mkdir(dirname(target), { recursive: true });
    if (file.name.endsWith('.ts')) await writeFile(target, javaScriptOf(await readFile(from, 'utf8')));
    else await cp(from, target);
  }
  return { ...(await readManifest(name)), exports: './dist/index.js' };
}

/** Imports and the URLs of child processes name files beside them. */
const javaScriptOf = (text: string): string =>
  stripTypeScriptTypes(text).replaceAll(/(?<=')(\.{1,2}\/[\w./]+)\.ts(?=')/g, '$1.js');
