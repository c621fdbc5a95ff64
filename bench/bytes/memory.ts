import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_MS = 20;
const PAGE_BYTES = 4096;
const MEGABYTE = 1_000_000;

/** How far the memory of a process grows above what it has at the beginning, while something happens. Megabytes, Linux only. */
export async function growthWhile(pid: number, work: () => Promise<unknown>): Promise<number> {
  const before = await residentBytes(pid);
  let most = before;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, await residentBytes(pid));
      await sleep(SAMPLE_MS);
    }
  })();
  try {
    await work();
  } finally {
    isOver = true;
    await watching;
  }
  return (most - before) / MEGABYTE;
}

async function residentBytes(pid: number): Promise<number> {
  const [, pages] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ');
  return Number(pages) * PAGE_BYTES;
}
