import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { providerJson } from '@onetake/gateway';
import { bundle } from './bundle.ts';
import { finish, type Manifest, PACKAGES, ROOT, readJson, readManifest, writeJson } from './staging.ts';

const OURS = '@onetake/';

/** The folder of the files that declare providers. */
const PROVIDERS = 'providers/declared/files';

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
 * Builds the gateway in `to`. All that runs is inside: its own code and that of the packages that it needs, bundled, and some packages as
 * they are.
 */
export async function buildGateway(name: string, to: string): Promise<void> {
  const manifest = await readManifest(name);
  const dependencies = { ...(await innerDependencies(manifest)), ...manifest.dependencies };
  const peers = Object.keys(manifest.optionalDependencies ?? {});
  const kept = [...Object.keys(INSIDE), ...OUTSIDE];
  const dist = join(to, 'dist');
  await bundle(dist, [...kept, ...peers]);
  await writeProviders(join(dist, PROVIDERS));
  await finish(name, to, {
    ...manifest,
    exports: './dist/index.js',
    bin: { onetake: './dist/cli/main.js' },
    dependencies: Object.fromEntries(kept.map((one) => [one, dependencies[one]])),
    // Only accounts that use one need it. The gateway says which, and how it is installed.
    peerDependencies: manifest.optionalDependencies,
    peerDependenciesMeta: Object.fromEntries(peers.map((peer) => [peer, { optional: true }])),
    optionalDependencies: await copyInside(to),
    bundleDependencies: Object.keys(INSIDE),
  });
}

/** As JSON: YAML takes longer to read than all else that a start does. */
async function writeProviders(to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const from = join(PACKAGES, 'gateway/src', PROVIDERS);
  for (const name of await readdir(from)) {
    const text = await readFile(join(from, name), 'utf8');
    await writeFile(join(to, name.replace(/\.yaml$/, '.json')), providerJson(name, text));
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

/** What the packages of this repository depend on that a package needs, directly or not. */
async function innerDependencies({ dependencies = {} }: Manifest): Promise<Readonly<Record<string, string>>> {
  const names = Object.keys(dependencies).filter((name) => name.startsWith(OURS));
  const inner = await Promise.all(names.map((name) => readManifest(name.slice(OURS.length))));
  return Object.assign(
    {},
    ...(await Promise.all(inner.map(innerDependencies))),
    ...inner.map((one) => one.dependencies),
  );
}
