import { cellOf, cellOfTask, cellsOf, firstTable, type Table, taskIdIn } from './router.ts';

/** Cells and routers that get a new table one after the other, as those of different machines do. */
export interface World {
  /** Submits by one of the routers. The id, or undefined while the project is between two cells: the client tries again. */
  submit(router: number, project: string, key?: string): string | undefined;
  /** The project of a task; undefined if its cell does not know it. */
  query(id: string): string | undefined;
  list(router: number, project: string): string[];
  /** Begins to hand out a table, once the one before it has arrived everywhere. */
  change(next: (table: Table) => Table): void;
  /** Hands the table that is on its way to one more cell or router; false if all have it. */
  deliver(): boolean;
  /** The cells that would take a task of the project now. */
  takers(project: string): number[];
}

interface Cell {
  readonly tag: number;
  table: Table;
  /** Announced: what it loses by this, it takes no more; what it wins, it does not take yet. */
  next: Table;
  /** Projects by task, and tasks by project and idempotency key. */
  readonly tasks: Map<string, string>;
  readonly keys: Map<string, string>;
}

export function createWorld(tags: readonly number[], routers: number): World {
  let latest = firstTable(tags);
  const cells = new Map(tags.map((tag) => [tag, newCell(tag, latest)]));
  const tables = Array.from({ length: routers }, () => latest);
  const onTheWay: (() => void)[] = [];

  function cellAt(tag: number): Cell {
    const known = cells.get(tag) ?? newCell(tag, latest);
    cells.set(tag, known);
    return known;
  }

  function tableOf(router: number): Table {
    const table = tables[router];
    if (!table) throw new Error(`there is no router ${router}`);
    return table;
  }

  /** Any answer of a cell tells a router that there is a newer table. */
  function hears(router: number, { next }: Cell): boolean {
    if (next.version <= tableOf(router).version) return false;
    tables[router] = next;
    return true;
  }

  function accept(cell: Cell, project: string, key: string | undefined): string {
    const name = JSON.stringify([project, key]);
    // A former cell takes no more tasks of the project, so what it does not know now it will never know.
    const known = cellsOf(cell.table, project).flatMap((tag) => cellAt(tag).keys.get(name) ?? []);
    if (key !== undefined && known[0] !== undefined) return known[0];
    const id = taskIdIn(cell.tag);
    cell.tasks.set(id, project);
    if (key !== undefined) cell.keys.set(name, id);
    return id;
  }

  function submit(router: number, project: string, key?: string): string | undefined {
    const cell = cellAt(cellOf(tableOf(router), project));
    if (takes(cell, project)) return accept(cell, project, key);
    return hears(router, cell) ? submit(router, project, key) : undefined;
  }

  function list(router: number, project: string): string[] {
    const asked = cellsOf(tableOf(router), project).map(cellAt);
    if (asked.some((cell) => hears(router, cell))) return list(router, project);
    return asked.flatMap(({ tasks }) => [...tasks].flatMap(([id, of]) => (of === project ? [id] : [])));
  }

  function deliver(): boolean {
    const next = onTheWay.shift();
    next?.();
    return next !== undefined;
  }

  return {
    submit,
    list,
    deliver,
    query: (id) => cells.get(cellOfTask(id))?.tasks.get(id),
    change(next) {
      while (deliver());
      const table = next(latest);
      for (const tag of [...table.cells, ...[...table.pinned.values()].flat()]) cellAt(tag);
      latest = table;
      // Every cell knows what it loses before any takes what it wins: no project ever has two.
      for (const cell of cells.values()) onTheWay.push(() => Object.assign(cell, { next: table }));
      for (const cell of cells.values()) onTheWay.push(() => Object.assign(cell, { table }));
      for (const router of tables.keys())
        onTheWay.push(() => {
          if (tableOf(router).version < table.version) tables[router] = table;
        });
    },
    takers: (project) => [...cells.values()].filter((cell) => takes(cell, project)).map(({ tag }) => tag),
  };
}

const newCell = (tag: number, table: Table): Cell => ({
  tag,
  table,
  next: table,
  tasks: new Map(),
  keys: new Map(),
});

const takes = ({ tag, table, next }: Cell, project: string): boolean =>
  cellOf(table, project) === tag && cellOf(next, project) === tag;
