import { createHash } from 'node:crypto';
import { newTaskId } from '@onetake/gateway';

/**
 * How a stateless router finds the cell of a request. A cell is a group of gateways with a PostgreSQL and a bucket of its own, and has
 * a number, its tag. Everything that a router knows is in a small table that all of them get.
 */
export interface Table {
  readonly version: number;
  /** The tags of the cells among which projects are spread by their hash. */
  readonly cells: readonly number[];
  /** What `cells` was before, for as long as tasks of that time are kept: a project may have some where it was then. */
  readonly past: readonly (readonly number[])[];
  /** Projects that are not where their hash says, with the cells where they were put, the latest last. */
  readonly pinned: ReadonlyMap<string, readonly number[]>;
}

export const firstTable = (cells: readonly number[]): Table => ({
  version: 1,
  cells,
  past: [],
  pinned: new Map(),
});

export const withCells = (table: Table, cells: readonly number[]): Table => ({
  ...table,
  version: table.version + 1,
  cells,
  past: [...table.past, table.cells],
});

export const withPinned = (table: Table, project: string, tag: number): Table => ({
  ...table,
  version: table.version + 1,
  pinned: new Map(table.pinned).set(project, [...(table.pinned.get(project) ?? []), tag]),
});

/** The only cell that takes tasks of the project. */
export const cellOf = ({ cells, pinned }: Table, project: string): number =>
  pinned.get(project)?.at(-1) ?? highest(cells, project);

/** The cells that may have tasks of the project, first the one that takes them. */
export function cellsOf(table: Table, project: string): number[] {
  const hashed = [table.cells, ...table.past].map((cells) => highest(cells, project));
  return [...new Set([cellOf(table, project), ...(table.pinned.get(project) ?? []), ...hashed])];
}

/** The place of the tag in an id: the twelve random bits behind the version of a UUIDv7. Lists still sort by time. */
const [BEFORE, DIGITS] = ['video_'.length + 13, 3];
/** The most cells that a tag can tell apart. */
export const MOST_CELLS = 16 ** DIGITS;

export function taskIdIn(tag: number): string {
  const id = newTaskId();
  return id.slice(0, BEFORE) + tag.toString(16).padStart(DIGITS, '0') + id.slice(BEFORE + DIGITS);
}

/** Without a look into any table, so that it stays right however projects are moved. */
export const cellOfTask = (id: string): number => Number.parseInt(id.slice(BEFORE, BEFORE + DIGITS), 16);

/** Rendezvous hashing: each cell bids for the project. A further cell takes only what it wins, and the projects of one that goes are spread over all others. */
function highest(cells: readonly number[], project: string): number {
  const hash = createHash('sha1').update(project).digest().readUInt32LE();
  let best = -1;
  let bid = -1;
  for (const tag of cells) {
    const mixed = mix(hash ^ mix(tag + 1));
    if (mixed > bid || (mixed === bid && tag < best)) [best, bid] = [tag, mixed];
  }
  return best;
}

/** The finalizer of MurmurHash3: every bit of the result depends on every bit of the value. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
