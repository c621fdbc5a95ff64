import { readdir, readFile } from 'node:fs/promises';

/** CPU time that a process has used, in microseconds. */
export interface CpuTime {
  /** Of its main thread, which runs the event loop. */
  readonly main: number;
  /** Of all threads that are alive. */
  readonly all: number;
  /** How long its main thread was ready and waited for a core. It is the machine's doing, and not CPU time. */
  readonly mainWaited: number;
}

/** Linux only. A thread that has ended is not counted any more. */
export async function cpuTimeOf(pid: number): Promise<CpuTime> {
  const threads = await readdir(`/proc/${pid}/task`);
  const times = await Promise.all(threads.map((thread) => timesOf(`/proc/${pid}/task/${thread}/schedstat`)));
  const main = await timesOf(`/proc/${pid}/task/${pid}/schedstat`);
  return { main: main.ran, all: times.reduce((sum, { ran }) => sum + ran, 0), mainWaited: main.waited };
}

/** Linux only. Of a whole process, in milliseconds to the nearest ten, with the threads that have ended, such as those of an encoder. */
export async function totalCpuTimeOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program, in parentheses, may contain spaces. Ticks of user and system time are the 14th and 15th fields.
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) * MS_PER_TICK;
}

/** The kernel counts in hundredths of a second for programs, on all architectures that Node runs on. */
const MS_PER_TICK = 10;

/** 0 for a thread that has ended meanwhile. */
async function timesOf(path: string): Promise<{ ran: number; waited: number }> {
  const text = await readFile(path, 'utf8').catch(() => '0 0');
  const [ran = 0, waited = 0] = text.split(' ').map(Number);
  return { ran: ran / 1000, waited: waited / 1000 };
}
