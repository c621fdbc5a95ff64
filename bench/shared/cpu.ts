import { readdir, readFile } from 'node:fs/promises';

/** CPU time that a process has used, in microseconds. */
export interface CpuTime {
  /** Of its main thread, which runs the event loop. */
  readonly main: number;
  /** Of all threads that are alive. */
  readonly all: number;
}

/** Linux only. A thread that has ended is not counted any more. */
export async function cpuTimeOf(pid: number): Promise<CpuTime> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(threads.map((thread) => timeOf(`/proc/${pid}/task/${thread}/schedstat`)));
  return { main: await timeOf(`/proc/${pid}/task/${pid}/schedstat`), all: times.reduce((a, b) => a + b, 0) };
}

/** 0 for a thread that has ended meanwhile. */
async function timeOf(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '0');
  return Number(text.split(' ', 1)[0]) / 1000;
}
