import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

/** The calls that a child process offers. Arguments and results are plain JSON. */
// biome-ignore lint/suspicious/noExplicitAny: each child declares its own calls
type Calls = Readonly<Record<string, (...args: any[]) => unknown>>;

interface Question {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A child process that answers calls. */
export interface Child<C extends Calls> {
  call<K extends keyof C & string>(name: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>>;
  /** Lets it clean up and end. */
  close(): Promise<void>;
}

/** Starts a module of this folder that calls `serveParent`. */
export function startChild<C extends Calls>(module: URL): Child<C> {
  const process_: ChildProcess = fork(module, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  const exited = once(process_, 'exit');
  let last = 0;
  process_.on('message', (message) => {
    const { id, value, error } = message as Reply;
    const answer = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) answer?.resolve(value);
    else answer?.reject(new Error(error));
  });
  void exited.then(() => {
    for (const answer of waiting.values()) answer.reject(new Error(`${module.pathname} has ended`));
    waiting.clear();
  });
  return {
    call(call, ...args) {
      const answer = Promise.withResolvers<unknown>();
      const id = ++last;
      waiting.set(id, answer);
      process_.send({ id, call, args } satisfies Question, (error) => error && answer.reject(error));
      // The result type of each call is declared in the child.
      return answer.promise as never;
    },
    async close() {
      if (process_.exitCode !== null || process_.signalCode !== null) return;
      if (process_.connected) process_.disconnect();
      await exited;
    },
  };
}

/**
 * Answers the parent's calls until it disconnects or dies; then calls `close` and ends. Only the parent handles signals: Ctrl-C
 * reaches every process of a terminal, and the servers must outlast their users.
 */
export function serveParent(calls: Calls, close: () => Promise<void>): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
  process.once('disconnect', () => {
    void close().finally(() => process.exit());
  });
  process.on('message', async (message) => {
    const { id, call, args } = message as Question;
    let reply: Reply;
    try {
      reply = { id, value: await calls[call]?.(...args) };
    } catch (error) {
      reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    if (process.connected) process.send?.(reply);
  });
}
