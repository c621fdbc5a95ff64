import { type ChildProcess, fork } from 'node:child_process';
import type { StillFormat } from '@onetake/video';

export type Container = 'mp4' | 'mov' | 'webm';

export interface MakeRequest {
  readonly kind: Container | 'sprites' | StillFormat;
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  readonly audio: boolean;
  /** The hue, 0 to 1 around the colour circle. */
  readonly hue: number;
}

export type MakeMessage = MakeRequest & { readonly id: number };
export type MadeMessage = { readonly id: number } & (
  | { readonly bytes: Uint8Array }
  | { readonly failure: string }
);

/** Makes pictures and videos in a child process, so that encoding does not block the HTTP loop and a crash of native code does not end it. */
export interface Maker {
  make(request: MakeRequest): Promise<Buffer>;
  close(): Promise<void>;
}

interface Waiting {
  resolve(bytes: Buffer): void;
  reject(error: Error): void;
}

/** The first request starts the child. */
export function createMaker(): Maker {
  const waiting = new Map<number, Waiting>();
  let child: ChildProcess | undefined;
  let last = 0;
  let closed = false;

  function start(): ChildProcess {
    const started = fork(new URL('./child.ts', import.meta.url), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    started.on('message', (message: MadeMessage) => {
      const request = waiting.get(message.id);
      waiting.delete(message.id);
      if ('bytes' in message) request?.resolve(Buffer.from(message.bytes));
      else request?.reject(new Error(message.failure));
      if (waiting.size === 0) hold(started, false);
    });
    started.on('error', (error) => fail(started, error));
    started.on('exit', (code, signal) =>
      fail(started, new Error(`the video maker ended (${signal ?? `exit code ${code}`})`)),
    );
    return started;
  }

  function fail(ended: ChildProcess, error: Error): void {
    if (child === ended) child = undefined;
    for (const request of waiting.values()) request.reject(error);
    waiting.clear();
  }

  return {
    make(request) {
      if (closed) return Promise.reject(new Error('the simulators are closed'));
      child ??= start();
      const current = child;
      hold(current, true);
      const id = ++last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        // A failed send is reported by the child's 'error' or 'exit'.
        current.send({ ...request, id } satisfies MakeMessage, () => {});
      });
    },
    async close() {
      closed = true;
      const current = child;
      if (!current) return;
      hold(current, true);
      const exited = new Promise<void>((resolve) => current.once('exit', () => resolve()));
      current.kill('SIGKILL');
      await exited;
    },
  };
}

/** An idle child must not keep the process alive. */
function hold(child: ChildProcess, held: boolean): void {
  const act = held ? 'ref' : 'unref';
  child[act]();
  child.channel?.[act]();
}
