import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { finish, type Manifest, PACKAGES, ROOT, readJson, readManifest, writeJson } from './staging.ts';

const OURS = '@onetake/';

/**
 * Packages of others that go inside, without types, sources and install scripts. By itself npm would run a script of `node-av` that downloads a
 * program, and install 35 MB that only its WebRTC needs; four fifths of `openai` are types and sources.
 */
const INSIDE = ['node-av', 'openai'];

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
    await writeJson(folder, rest);
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
    optionalDependencies: await copyInside(to),
    bundleDependencies: [...inner.map(({ name: full }) => full), ...INSIDE],
  });
}

/** Copies the packages of others, and returns those with FFmpeg, one for each platform. */
async function copyInside(to: string): Promise<Readonly<Record<string, string>>> {
  const platforms: Record<string, string> = {};
  for (const name of INSIDE) {
    const [from, folder] = [join(ROOT, 'node_modules', name), join(to, 'node_modules', name)];
    const filter = (path: string) =>
      extname(path.slice(from.length)) === '' || /\.m?js$|LICEN[CS]E/.test(path);
    await cp(from, folder, { recursive: true, filter });
    const { version, license, type, exports, optionalDependencies = {} } = await readJson(from);
    await writeJson(folder, { name, version, license, type, exports });
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
