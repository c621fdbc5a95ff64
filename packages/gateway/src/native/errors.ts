/** The child process died during its job: a crash in native code, out of memory, or a kill. The gateway goes on. */
export class NativeCrash extends Error {
  readonly exitCode: number | null;
  readonly exitSignal: NodeJS.Signals | null;
  /** The end of what the child wrote to stderr. */
  readonly stderr: string;

  constructor(exitCode: number | null, exitSignal: NodeJS.Signals | null, stderr: string) {
    super(`The native child process died with its job (${exitSignal ?? `exit code ${exitCode}`}).`);
    this.name = 'NativeCrash';
    this.exitCode = exitCode;
    this.exitSignal = exitSignal;
    this.stderr = stderr;
  }
}

/** The job took longer than its caller allows; its child was killed. */
export class NativeTimeout extends Error {
  constructor(timeoutMs: number) {
    super(`The native job did not end within ${timeoutMs} ms; its child process was killed.`);
    this.name = 'NativeTimeout';
  }
}

/** The job threw an error; the child goes on. `stack` is from the child, and `code` that of a system error. */
export class NativeJobError extends Error {
  readonly code: string | undefined;

  constructor(
    message: string,
    { stack, code }: { stack?: string | undefined; code?: string | undefined } = {},
  ) {
    super(message);
    this.name = 'NativeJobError';
    this.code = code;
    if (stack !== undefined) this.stack = stack;
  }
}

/** The pool was closed before the job ended. */
export class NativePoolClosed extends Error {
  constructor() {
    super('The pool of native child processes is closed.');
    this.name = 'NativePoolClosed';
  }
}
