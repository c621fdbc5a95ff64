import { readdir, readFile, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join, posix } from 'node:path';
import { rolldown } from 'rolldown';
import { PACKAGES, readJson, run } from './staging.ts';

/** The folder of the bundle below `dist`. */
const FOLDER = 'vendor';

/** The packages are those that the gateway finds. */
const HOME = join(PACKAGES, 'gateway');

/** `import … from 'name'`, `export … from 'name'` and `import('name')`, as Biome formats them. */
const IMPORT = /(?<=^(?:import|export|\}).* from |\bimport\()'(@?\w[^']*)'/gm;

/**
 * Bundles what the code in `dist` imports of the packages `names`. Only what can run is left of them. Nothing is renamed or put on one line, so
 * that stack traces can be read. The licences of all that is inside are beside it.
 */
export async function bundle(dist: string, names: readonly string[]): Promise<void> {
  const files = (await readdir(dist, { recursive: true })).filter((file) => file.endsWith('.js'));
  const specifiers = new Set<string>();
  for (const file of files) {
    const text = await readFile(join(dist, file), 'utf8');
    const replaced = text.replaceAll(IMPORT, (found, specifier: string) => {
      if (!names.includes(packageOf(specifier))) return found;
      specifiers.add(specifier);
      const path = posix.relative(posix.dirname(file), posix.join(FOLDER, fileOf(specifier)));
      return `'${path.startsWith('.') ? path : `./${path}`}'`;
    });
    if (replaced !== text) await writeFile(join(dist, file), replaced);
  }
  const into = join(dist, FOLDER);
  const modules = await write([...specifiers], into);
  await writeFile(join(into, 'LICENCES.txt'), await licencesOf(modules));
}

const packageOf = (specifier: string): string =>
  specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const fileOf = (specifier: string): string => `${specifier.replaceAll('/', '.').replace(/\.js$/, '')}.js`;

/** Writes the bundle into `dir`, and returns the paths of the modules that are in it. */
async function write(specifiers: readonly string[], dir: string): Promise<readonly string[]> {
  const names = await exportsOf(specifiers);
  const build = await rolldown({
    cwd: HOME,
    input: Object.fromEntries(specifiers.map((specifier) => [fileOf(specifier), `entry:${specifier}`])),
    platform: 'node',
    // Packages try to import them, and do without.
    external: [...builtinModules, /^node:/, 'pg-native', 'pg-cloudflare'],
    plugins: [
      {
        name: 'entries',
        resolveId(id, importer) {
          if (id.startsWith('entry:')) return `\0${id}`;
          return importer?.startsWith('\0entry:') ? this.resolve(id, join(HOME, 'package.json')) : undefined;
        },
        load(id) {
          const specifier = id.startsWith('\0entry:') ? id.slice('\0entry:'.length) : '';
          return names[specifier] && `export { ${names[specifier].join(', ')} } from '${specifier}';`;
        },
      },
    ],
    logLevel: 'warn',
  });
  try {
    const { output: chunks } = await build.write({
      dir,
      entryFileNames: '[name]',
      chunkFileNames: 'shared/[name].js',
      comments: { legal: false, jsdoc: false, annotation: false },
    });
    return chunks.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
  } finally {
    await build.close();
  }
}

/** The names that Node finds in each package, of whichever kind of module it is. */
async function exportsOf(
  specifiers: readonly string[],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const script = `
    const found = {};
    for (const one of ${JSON.stringify(specifiers)}) found[one] = Object.keys(await import(one)).filter((name) => name !== 'module.exports');
    process.stdout.write(JSON.stringify(found));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: HOME });
  return JSON.parse(stdout);
}

/** The licences of the packages that the modules are of. */
async function licencesOf(modules: readonly string[]): Promise<string> {
  const folders = new Set(
    modules.flatMap((module) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0] ?? []),
  );
  const texts = await Promise.all([...folders].map(licenceOf));
  return `${texts.sort().join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}

/** What a package is, and its licence. Of one without a file for that it is what its readme says of it. */
async function licenceOf(folder: string): Promise<string> {
  const { name, version, license, author } = await readJson(folder);
  const textsOf = async (files: RegExp) => {
    const found = (await readdir(folder)).filter((file) => files.test(file));
    return Promise.all(found.map((file) => readFile(join(folder, file), 'utf8')));
  };
  const own = await textsOf(/^(licen[cs]e|copying|notice)/i);
  const readme = own.length > 0 ? '' : (await textsOf(/^readme/i)).join();
  const section = /^(?:#+ *)?licen[cs]e *$.*/ims.exec(readme)?.[0] ?? '';
  const by = [license, author?.name ?? author].filter(Boolean).join(', ');
  return [`${name} ${version} (${by})`, ...own, section].join('\n\n').trim();
}
