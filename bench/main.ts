import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { catchInterruption, Interrupted } from '@onetake/gateway';
import { asksForHelp } from '../chaos/shared/optionsOf.ts';
import NODE_FLAGS from '../scripts/nodeFlags.json' with { type: 'json' };
import { FIGURES_FILE, type Figure } from './shared/figures.ts';
import { aboutMachine, type Measurement, mergeInto, pageOf, plotOf } from './shared/page.ts';

/**
 * Runs the benches one after the other and prints what they find. With `--write`, the figures become those of `docs/benchmarks.md`
 * and of the JSON and the plots beside it; those of benches that did not run stay as they are.
 *
 *   npm run bench -- [--only query,lists] [--write] [-- options of the bench]
 */
const BENCHES: Readonly<Record<string, string>> = {
  query: 'bench/query.ts',
  lists: 'bench/lists.ts',
  submits: 'bench/submits.ts',
  fsyncs: 'bench/fsyncs.ts',
  growth: 'bench/growth.ts',
  webhooks: 'bench/webhooks.ts',
  delivery: 'bench/delivery.ts',
  adoption: 'bench/adoption.ts',
  costs: 'bench/costs.ts',
  bytes: 'bench/bytes.ts',
  start: 'bench/start.ts',
  renderer: 'bench/renderer.ts',
  workers: 'bench/scale/workers.ts',
  notify: 'bench/scale/notify.ts',
  cells: 'bench/scale/cells.ts',
  peers: 'bench/query/peers.ts',
};
/** Run only if they are named: they install other software from its registries. */
const WITH_NETWORK = ['peers'];

const USAGE = `npm run bench -- [--only ${Object.keys(BENCHES).join(',')}] [--write] [-- options of the one bench]`;

const ROOT = join(import.meta.dirname, '..');
const DOCS = join(ROOT, 'docs');

const { names, write, rest } = wanted();
const { signal } = catchInterruption();
const failed: string[] = [];
for (const name of names) {
  if (signal.aborted) break;
  const measurement = await measure(name, rest);
  if (measurement) await keep(name, measurement);
  else failed.push(name);
}
if (failed.length > 0 && !signal.aborted) console.error(`not measured: ${failed.join(', ')}`);
process.exitCode = signal.reason instanceof Interrupted ? signal.reason.exitCode : failed.length > 0 ? 1 : 0;

/** Which benches to run, and what to give them. A typing error ends the script with a message and the usage. */
function wanted(): { names: readonly string[]; write: boolean; rest: readonly string[] } {
  const all = process.argv.slice(2);
  const split = all.includes('--') ? all.indexOf('--') : all.length;
  const [args, positionals] = [all.slice(0, split), all.slice(split + 1)];
  if (asksForHelp(args)) {
    console.log(`Usage: ${USAGE}`);
    process.exit(0);
  }
  try {
    const given = parseArgs({
      args,
      options: { only: { type: 'string' }, write: { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const { values } = given;
    const [stray] = given.positionals;
    if (stray !== undefined)
      throw new Error(
        `"${stray}" is no option. Name a bench with --only${stray in BENCHES ? ` ${stray}` : ''}; its own options follow a further --.`,
      );
    const usual = Object.keys(BENCHES).filter((name) => !WITH_NETWORK.includes(name));
    const chosen = values.only === undefined ? usual : values.only.split(',');
    const unknown = chosen.find((name) => !(name in BENCHES));
    if (unknown !== undefined)
      throw new Error(`--only: there is no "${unknown}"; there is ${Object.keys(BENCHES).join(', ')}.`);
    if (positionals.length > 0 && chosen.length > 1)
      throw new Error('The options after the second -- are those of one bench: name it with --only.');
    return { names: chosen, write: values.write, rest: positionals };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\nUsage: ${USAGE}`);
    process.exit(2);
  }
}

/** Undefined if the bench fails; it has said why. */
async function measure(name: string, options: readonly string[]): Promise<Measurement | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
  const file = join(folder, 'figures');
  try {
    await writeFile(file, '');
    console.log(`\n${name}: npm run bench:${name}${options.length > 0 ? ` -- ${options.join(' ')}` : ''}`);
    const child = spawn(process.execPath, [...NODE_FLAGS, join(ROOT, BENCHES[name] ?? ''), ...options], {
      stdio: 'inherit',
      env: { ...process.env, [FIGURES_FILE]: file },
    });
    const stop = () => child.kill('SIGTERM');
    signal.addEventListener('abort', stop);
    const [code] = await once(child, 'exit');
    signal.removeEventListener('abort', stop);
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
    if (code !== 0 || lines.length === 0) return undefined;
    const figures = lines.map((line): Figure => JSON.parse(line));
    return { options, figures, ...aboutMachine() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts a measurement into the documents at once, so that a bench that fails later takes nothing with it. */
async function keep(name: string, measurement: Measurement): Promise<void> {
  if (!write) return;
  const json = join(DOCS, 'benchmarks.json');
  const page = join(DOCS, 'benchmarks.md');
  const all = mergeInto(JSON.parse(await readFile(json, 'utf8')), name, measurement);
  await writeFile(json, `${JSON.stringify(all, null, 2)}\n`);
  await writeFile(page, pageOf(await readFile(page, 'utf8'), all));
  const plot = plotOf(name, measurement.figures);
  if (plot) await writeFile(join(DOCS, 'images', `bench-${name}.svg`), plot);
  console.log(`written to ${basename(page)}`);
}
