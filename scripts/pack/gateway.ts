import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { providerJson } from '@onetake/gateway';
import { bundle } from './bundle.ts';
import { finish, type Manifest, PACKAGES, ROOT, readJson, readManifest, writeJson } from './staging.ts';

const OURS = '@onetake/';

/** The files that captions are set with, and the table of their characters. */
const FONT = /-wght-normal\.woff2$|^unicode\.json$/;

/** What others may import of the packages whose files are read where they are, and so go inside as they are, and not into the bundle. */
const INSIDE: Readonly<Record<string, RegExp>> = {
  // By itself npm would run a script of it that downloads a program, and install 35 MB that only its WebRTC needs.
  'node-av': /\.m?js$/,
  // Without the sources of SQLite, and without platforms that have no FFmpeg.
  'better-sqlite3': /^lib\/.*\.js$|^prebuilds\/(?!linuxmusl).*\.node$/,
  '@fontsource-variable/inter': FONT,
  '@fontsource-variable/noto-sans-sc': FONT,
};

/** npm installs their binary for the platform. */
const OUTSIDE = ['@napi-rs/canvas'];

/**
 * Builds the gateway in `to`. Node strips no types below node_modules, so they are stripped here, to the same lines and columns. The packages
 * that it needs are inside: those of this repository, and what runs of those of others.
 */
export async function buildGateway(name: string, to: string): Promise<void> {
  const inner = await innerOf(await readManifest(name));
  const manifest = await stripped(name, to);
  await writeProvidersAsJson(join(to, 'dist/providers/declared/files'));
  const dependencies: Record<string, string> = Object.assign(
    {},
    ...inner.map(({ dependencies: own }) => own),
    manifest.dependencies,
  );
  for (const { name: full } of inner) {
    const folder = join(to, 'node_modules', full);
    const { dependencies: _dependencies, ...rest } = await stripped(full.slice(OURS.length), folder);
    await writeJson(folder, rest);
  }
  const inside = [...inner.map(({ name: full }) => full), ...Object.keys(INSIDE)];
  const kept = [...inside, ...OUTSIDE];
  await bundle(
    join(to, 'dist'),
    Object.keys(dependencies).filter((one) => !kept.includes(one)),
  );
  await finish(name, to, {
    ...manifest,
    bin: { onetake: './dist/cli/main.js' },
    dependencies: Object.fromEntries(kept.map((one) => [one, dependencies[one]])),
    // Only accounts that use one need it. The gateway says which, and how it is installed.
    peerDependencies: manifest.optionalDependencies,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(manifest.optionalDependencies ?? {}).map((peer) => [peer, { optional: true }]),
    ),
    optionalDependencies: await copyInside(to),
    bundleDependencies: inside,
  });
}

/** YAML takes longer to read than all else that a start does. */
async function writeProvidersAsJson(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    await writeFile(path.replace(/\.yaml$/, '.json'), providerJson(name, await readFile(path, 'utf8')));
    await rm(path);
  }
}

/** Copies the packages of others, and returns those with FFmpeg, one for each platform. */
async function copyInside(to: string): Promise<Readonly<Record<string, string>>> {
  const platforms: Record<string, string> = {};
  for (const [name, wanted] of Object.entries(INSIDE)) {
    const [from, folder] = [join(ROOT, 'node_modules', name), join(to, 'node_modules', name)];
    for (const file of await readdir(from, { recursive: true }))
      if (wanted.test(file) || /^LICEN[CS]E/.test(file)) await cp(join(from, file), join(folder, file));
    const { version, license, type, main, exports, optionalDependencies = {} } = await readJson(from);
    await writeJson(folder, { name, version, license, type, main, exports });
    for (const binary of Object.keys(optionalDependencies))
      if (binary.includes(`/${name}-`)) platforms[binary] = version;
  }
  return platforms;
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
  const manifest = await readManifest(name);
  const { exports } = manifest;
  const built = typeof exports === 'string' ? builtFrom(exports) : mapped(exports, builtFrom);
  return { ...manifest, exports: built };
}

/** In the repository, package.json names the sources. */
const builtFrom = (source: string): string => source.replace(/^\.\/src\/(.*)\.ts$/, './dist/$1.js');

const mapped = (values: Readonly<Record<string, string>>, by: (value: string) => string) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, by(value)]));

/** Imports and the URLs of child processes name files beside them. */
const javaScriptOf = (text: string): string =>
  stripTypeScriptTypes(text).replaceAll(/(?<=')(\.{1,2}\/[\w./]+)\.ts(?=')/g, '$1.js');
