import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { optionsOf } from '../../chaos/shared/optionsOf.ts';
import { stream } from '../../chaos/shared/random.ts';
import NODE_FLAGS from '../../scripts/nodeFlags.json' with { type: 'json' };
import { cpuTimeOf } from '../shared/cpu.ts';
import { type Figure, report } from '../shared/figures.ts';
import { holdInFlight, type InFlight } from './inFlight.ts';
import { cellOf, cellOfTask, firstTable, type Table, taskIdIn, withCells, withPinned } from './router.ts';

/**
 * Cells (docs/scale.md): how a stateless router spreads projects over them, and what the tasks in flight of one cell take, whose nodes hold
 * them with the parts of the engine that poll, in virtual time.
 *
 *   npm run bench:cells -- [--in-flight 100000] [--nodes 2] [--seconds 20] [--projects 20000] [--seed cells]
 */
const ROUNDS = 5;
const [CELLS, PINNED] = [16, 64];
/** The load of the projects, ranked: 1/10, 1/11, 1/12 … */
const HEAVIEST = 10;
/** Decisions that are timed together. */
const DECISIONS = 200_000;

const [first, ...given] = process.argv.slice(2);
if (first === 'hold') {
  const [count, seconds, seed = ''] = given;
  console.log(JSON.stringify(await holdInFlight(Number(count), Number(seconds), seed)));
  process.exit();
}
const options = optionsOf(
  {
    'in-flight': { type: 'string', default: '100000' },
    nodes: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '20' },
    projects: { type: 'string', default: '20000' },
    seed: { type: 'string', default: 'cells' },
  },
  'npm run bench:cells -- [--in-flight 100000] [--nodes 2] [--seconds 20] [--projects 20000] [--seed cells]',
  { numbers: ['in-flight', 'nodes', 'seconds', 'projects'] },
);
report([
  ...spread(Number(options.projects), options.seed),
  ...(await costOfDecisions()),
  ...inFlightFigures(await holdTogether(options)),
]);

/** The processes of a cell, at the same time. */
async function holdTogether({
  'in-flight': count,
  nodes,
  seconds,
  seed,
}: typeof options): Promise<readonly InFlight[]> {
  return Promise.all(
    Array.from({ length: Number(nodes) }, async (_, index) => {
      const share = Math.round(Number(count) / Number(nodes));
      const child = spawn(
        process.execPath,
        [
          ...NODE_FLAGS,
          '--expose-gc',
          '--max-old-space-size=16000',
          import.meta.filename,
          'hold',
          String(share),
          seconds,
          `${seed} ${index}`,
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
      // Its own message is on standard error.
      if (code !== 0) throw new Error('a node could not hold its tasks');
      return JSON.parse(output);
    }),
  );
}

function inFlightFigures(nodes: readonly InFlight[]): Figure[] {
  const count = Number(options['in-flight']).toLocaleString('en-US');
  const all = `${count} in flight in ${nodes.length} processes`;
  const each = (name: keyof InFlight) => nodes.map((node) => node[name]);
  const together = (name: keyof InFlight) => [each(name).reduce((sum, value) => sum + value, 0)];
  return [
    { name: `${all}: memory of a task`, unit: 'bytes', rounds: each('bytesPerTask') },
    {
      name: `${all}: CPU of all`,
      unit: 'cores',
      rounds: together('cpuPerSecond').map((us) => us / 1e6),
    },
    { name: `${all}: answers about jobs`, unit: '/s', rounds: together('answersPerSecond') },
    { name: `${all}: requests to upstreams`, unit: '/s', rounds: together('requestsPerSecond') },
    { name: `${all}: jobs that end`, unit: '/s', rounds: together('endsPerSecond') },
    { name: `${all}: from the end of a job until it is known, mean`, unit: 'ms', rounds: each('delayMs') },
    {
      name: `${all}: CPU of an answer`,
      unit: 'µs',
      rounds: nodes.map(({ cpuPerSecond, answersPerSecond }) => cpuPerSecond / answersPerSecond),
    },
  ];
}

/** How many projects move, and how even the cells are. */
function spread(projects: number, seed: string): Figure[] {
  const rounds = Array.from({ length: ROUNDS }, (_, round) => {
    const names = Array.from({ length: projects }, (_unused, index) => `${seed}-${round}-${index}`);
    const random = stream(`${seed} ${round}`);
    /** In no order of the names: the heaviest has a hundredth of the load. */
    const loads = names
      .map((name, index) => ({ name, load: 1 / (HEAVIEST + index), order: random() }))
      .sort((a, b) => a.order - b.order);
    const alike = names.map((name) => ({ name, load: 1 }));
    const [ten, eleven, fifteen] = [10, 11, 15].map((count) => firstTable(upTo(count)));
    const table = firstTable(upTo(CELLS));
    return {
      one: movedPart(names, ten, eleven) / (1 / 11),
      five: movedPart(names, ten, fifteen) / (5 / 15),
      away: movedPart(names, eleven, eleven && withCells(eleven, upTo(10))) / (1 / 11),
      alike: fullest(table, alike),
      skewed: fullest(table, loads),
      pinned: fullest(withHeaviestPinned(table, loads), loads),
    };
  });
  const of = (name: keyof (typeof rounds)[number]) => rounds.map((round) => round[name]);
  return [
    { name: 'projects that move to 1 further cell of 10, against its share', unit: '×', rounds: of('one') },
    {
      name: 'projects that move to 5 further cells of 10, against their share',
      unit: '×',
      rounds: of('five'),
    },
    { name: 'projects that move when 1 of 11 cells goes, against its share', unit: '×', rounds: of('away') },
    { name: `fullest of ${CELLS} cells, projects alike, against the mean`, unit: '×', rounds: of('alike') },
    { name: `fullest of ${CELLS} cells, unlike projects`, unit: '×', rounds: of('skewed') },
    { name: `the same with the ${PINNED} heaviest projects pinned`, unit: '×', rounds: of('pinned') },
  ];
}

interface Loaded {
  readonly name: string;
  readonly load: number;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, tag) => tag);
}

function movedPart(names: readonly string[], before: Table | undefined, after: Table | undefined): number {
  if (!before || !after) return Number.NaN;
  return names.filter((name) => cellOf(before, name) !== cellOf(after, name)).length / names.length;
}

function loadsOf(table: Table, projects: readonly Loaded[]): number[] {
  const loads = table.cells.map(() => 0);
  for (const { name, load } of projects) {
    const tag = cellOf(table, name);
    loads[tag] = (loads[tag] ?? 0) + load;
  }
  return loads;
}

function fullest(table: Table, projects: readonly Loaded[]): number {
  const loads = loadsOf(table, projects);
  return Math.max(...loads) / (loads.reduce((sum, load) => sum + load, 0) / loads.length);
}

/** As an operator does who looks at the cells: the heaviest projects go, one after the other, to the cell that has least. */
function withHeaviestPinned(table: Table, projects: readonly Loaded[]): Table {
  const sorted = projects.toSorted((a, b) => b.load - a.load);
  const loads = loadsOf(table, sorted.slice(PINNED));
  return sorted.slice(0, PINNED).reduce((pinned, { name, load }) => {
    const least = loads.indexOf(Math.min(...loads));
    loads[least] = (loads[least] ?? 0) + load;
    return withPinned(pinned, name, least);
  }, table);
}

async function costOfDecisions(): Promise<Figure[]> {
  const table = firstTable(upTo(CELLS));
  const names = Array.from({ length: DECISIONS }, (_, index) => `project-${index % 10_000}`);
  const ids = names.map((_, index) => taskIdIn(index % CELLS));
  const timed = async (work: () => number): Promise<number> => {
    const before = await cpuTimeOf(process.pid);
    // Used, so that it cannot be left out.
    if (work() < 0) throw new Error('there is no such cell');
    return ((await cpuTimeOf(process.pid)).main - before.main) / DECISIONS;
  };
  const [byProject, byId]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    byProject.push(await timed(() => names.reduce((sum, name) => sum + cellOf(table, name), 0)));
    byId.push(await timed(() => ids.reduce((sum, id) => sum + cellOfTask(id), 0)));
  }
  return [
    { name: `router: cell of a project, of ${CELLS}, CPU`, unit: 'µs', rounds: byProject },
    { name: 'router: cell of a task by its id, CPU', unit: 'µs', rounds: byId },
  ];
}
