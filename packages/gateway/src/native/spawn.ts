import { type ChildProcess, fork } from 'node:child_process';
import type { Readable } from 'node:stream';

const CHILD = new URL('./child.ts', import.meta.url);

/** Characters of a child's stderr that are stored to explain a crash. */
const STDERR_KEPT = 4000;

/** The only environment variables that a child inherits, so that it has no keys or passwords. */
const INHERITED = [
  ...['PATH', 'TMPDIR', 'TMP', 'TEMP', 'HOME', 'LANG', 'TZ', 'SYSTEMROOT', 'LD_LIBRARY_PATH'],
  ...['NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE'],
];

/**
 * Huge pages for the allocators of Node (glibc) and of the canvas (mimalloc). A video frame is a fresh block of
 * megabytes each time; in a virtual machine its page faults cost 14 ms of a 720p frame, with huge pages 0.6 ms.
 */
const ALLOCATORS = { GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1', MIMALLOC_ALLOW_LARGE_OS_PAGES: '1' };

export interface NativeChild {
  readonly process: ChildProcess;
  /** The last characters that it has written to stderr. */
  stderr(): string;
  /** Whether this child keeps the gateway's process running. */
  hold(held: boolean): void;
}

/** Starts a child that waits for jobs. */
export function spawnChild(): NativeChild {
  const env: NodeJS.ProcessEnv = { ...ALLOCATORS };
  for (const name of INHERITED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  const child = fork(CHILD, [], {
    env,
    execPath: process.execPath,
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-STDERR_KEPT);
  });
  // A child's stderr is a socket, although its type says only that it is a stream.
  const stderr = child.stderr as (Readable & { ref(): void; unref(): void }) | null;
  return {
    process: child,
    stderr: () => tail,
    hold(held) {
      const act = held ? 'ref' : 'unref';
      child[act]();
      child.channel?.[act]();
      stderr?.[act]();
    },
  };
}
