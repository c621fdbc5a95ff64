/** Operations by name, which whoever has the connection executes. */
export type Operations = Readonly<Record<string, (...args: never[]) => unknown>>;

/** The same operations for whoever has them executed. */
export type Remote<T extends Operations> = {
  readonly [K in keyof T]: (...args: Parameters<T[K]>) => Promise<ReturnType<T[K]>>;
};

/** Has an operation executed. */
export type Call = (name: string, args: readonly unknown[]) => Promise<unknown>;

/** An operation that is sent to a thread. */
export type SentCall = readonly [number: number, name: string, args: readonly unknown[]];

/** Turns a table of operations into calls of them, without a second list of their names. */
export function remote<T extends Operations>(call: Call): Remote<T> {
  const known = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  return new Proxy({} as Remote<T>, {
    get(_, name) {
      if (typeof name !== 'string') return undefined;
      let operation = known.get(name);
      if (!operation) {
        operation = (...args) => call(name, args);
        known.set(name, operation);
      }
      return operation;
    },
  });
}

/** Executes an operation by its name. */
export function execute(operations: Operations, name: string, args: readonly unknown[]): unknown {
  const operation = operations[name];
  if (!operation) throw new Error(`the store has no operation ${name}`);
  return operation(...(args as never[]));
}
