import { glob, readdir, readFile, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { basename, dirname, join, posix, relative, sep } from 'node:path';
import { type Plugin, rolldown } from 'rolldown';
import { PACKAGES, readJson } from './staging.ts';

/** The packages of others are those that the gateway finds. */
const HOME = join(PACKAGES, 'gateway');
const SOURCE = join(HOME, 'src');

/** Packages that others try to import, and do without. */
const ABSENT = ['pg-native', 'pg-cloudflare'];

/**
 * What is started apart from the rest, by what starts it: a thread and a child process load nothing of the gateway, so each has a bundle
 * that shares nothing with the others. Patterns below `src`.
 */
const PROGRAMS: readonly (readonly string[])[] = [
  ['cli/main.ts', 'index.ts'],
  ['native/child.ts', '**/*.job.ts'],
  ['store/sqlite/threads/worker.ts'],
  ['media/digest/thread.ts'],
];

/**
 * Bundles the gateway into `dist`, with all that it imports but the packages `outside`, because most of a start would be spent on finding
 * and linking files. Nothing is renamed or put on one line, and regions name the sources, so that stack traces can be read. The licences of
 * all packages inside are in `LICENCES.txt`.
 */
export async function bundle(dist: string, outside: readonly string[]): Promise<void> {
  const modules: string[] = [];
  for (const patterns of PROGRAMS) {
    const inputs: string[] = [];
    for await (const file of glob(patterns, { cwd: SOURCE })) inputs.push(file);
    modules.push(...(await write(inputs.sort(), dist, outside)));
  }
  await writeFile(join(dist, 'LICENCES.txt'), await licencesOf(modules));
}

/** Writes the bundle of these programs, and returns the paths of the modules that are in it. */
async function write(
  inputs: readonly string[],
  dir: string,
  outside: readonly string[],
): Promise<readonly string[]> {
  const [first = ''] = inputs;
  const build = await rolldown({
    cwd: HOME,
    input: Object.fromEntries(inputs.map((file) => [javaScriptName(file), join(SOURCE, file)])),
    platform: 'node',
    external: (id) => ABSENT.includes(id) || outside.some((name) => id === name || id.startsWith(`${name}/`)),
    plugins: [placed(), builtins(), inLatin()],
    logLevel: 'warn',
  });
  try {
    const { output } = await build.write({
      dir,
      entryFileNames: '[name]',
      chunkFileNames: `chunks/${basename(dirname(first))}/[name]-[hash].js`,
      comments: { legal: false, jsdoc: false, annotation: false },
    });
    return output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
  } finally {
    await build.close();
  }
}

const javaScriptName = (file: string): string => file.split(sep).join('/').replace(/\.ts$/, '.js');

/** Stands for the path from a chunk to the folder of all. */
const TO_DIST = '__ONETAKE_DIST__';

/** A module finds what lies beside it, such as the program of a thread, from the chunk that it has come into. */
function placed(): Plugin {
  return {
    name: 'placed',
    transform(code, id) {
      if (!id.startsWith(PACKAGES) || !code.includes('import.meta.url')) return undefined;
      const place = javaScriptName(relative(SOURCE, id));
      const at = place.startsWith('..') ? basename(place) : place;
      return code
        .replaceAll(/(?<=new URL\('\.[\w./]+)\.ts(?=')/g, '.js')
        .replaceAll('import.meta.url', `new URL('${TO_DIST}/${at}', import.meta.url).href`);
    },
    renderChunk(code, { fileName }) {
      if (!code.includes(TO_DIST)) return undefined;
      return code.replaceAll(TO_DIST, posix.relative(posix.dirname(fileName), '.') || '.');
    },
  };
}

/** Builtin modules that load others for names that nothing here imports: `node:http` loads Node's own undici for `WebSocket`. */
const SPARED = ['http', 'crypto'];

/** Has each name of such a module read only if it is imported. Those who `require` one do so anyway. */
function builtins(): Plugin {
  return {
    name: 'builtins',
    resolveId: {
      order: 'pre',
      handler(id, _importer, { kind }) {
        const name = id.replace(/^node:/, '');
        if (kind === 'import-statement' && SPARED.includes(name)) return `\0builtin:${name}`;
        return isBuiltin(id) ? { id, external: true } : undefined;
      },
    },
    load(id) {
      if (!id.startsWith('\0builtin:')) return undefined;
      const name = id.slice('\0builtin:'.length);
      const names = Object.getOwnPropertyNames(process.getBuiltinModule(name)).filter(
        (one) => /^[A-Za-z]\w*$/.test(one) && one !== 'constructor',
      );
      return [
        `const builtin = process.getBuiltinModule('node:${name}');`,
        'export default builtin;',
        ...names.map((one) => `export const ${one} = /* @__PURE__ */ (() => builtin.${one})();`),
      ].join('\n');
    },
  };
}

/** A single character beyond Latin-1 makes V8 keep a file with two bytes for each of its characters. Escaped, it means the same. */
function inLatin(): Plugin {
  return {
    name: 'in-latin',
    renderChunk(code, { fileName }) {
      if (/String\.raw`[^`]*[^\0-\xff`]/.test(code))
        throw new Error(`${fileName} has a raw template with characters that cannot be escaped`);
      return code.replaceAll(
        /[^\0-\xff]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    },
  };
}

/** The licences of the packages that the modules are of. */
async function licencesOf(modules: readonly string[]): Promise<string> {
  const folders = new Set(
    modules.flatMap((module) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module)?.[0] ?? []),
  );
  const texts = await Promise.all([...folders].map(licenceOf));
  return `${[...new Set(texts)].sort().join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
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
