import { readdir, readFile } from 'node:fs/promises';

/** Memory in MB. */
export interface Memory {
  /** All pages that are resident (RSS). */
  readonly resident: number;
  /** The same, with a page that several processes share counted in parts (PSS): other programs of the same Node make it less. */
  readonly proportional: number;
}

/** The memory of a process and of all its descendants. Linux only. */
export async function treeMemory(pid: number): Promise<Memory> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const sizeOf = (name: string) =>
    Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) / 1024;
  const others = await Promise.all((await childrenOf(pid)).map(treeMemory));
  return others.reduce(
    (sum, other) => ({
      resident: sum.resident + other.resident,
      proportional: sum.proportional + other.proportional,
    }),
    { resident: sizeOf('Rss'), proportional: sizeOf('Pss') },
  );
}

/** The processes that a process has started and that are alive. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  return lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
}
