import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const PARENT_CHECK_MS = 250;

/**
 * Runs a command to its end, with our terminal and our signals; resolves to `{ code, signal }`, rejects if it cannot be
 * started. `onStderr` gets a copy of what the command writes there.
 */
export function run(command, args, { onStderr, stdio = 'inherit', ...options } = {}) {
  const child = spawn(command, args, { ...options, stdio });
  child.stderr?.on('data', (chunk) => {
    process.stderr.write(chunk);
    onStderr?.(String(chunk));
  });
  let signalled = false;
  const forward = (signal) => {
    signalled = true;
    // Ctrl-C in a terminal reaches the whole process group: the child has had it already.
    if (signal === 'SIGINT' && isatty(0)) return;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const stopWatching = onParentGone(() => {
    if (!signalled) forward('SIGTERM');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    stopWatching();
    for (const signal of FORWARDED) process.off(signal, forward);
  });
}

/**
 * npm passes a signal to the shell between it and us, and some shells die of it without passing it on. So under npm the
 * end of our parent is a signal too.
 */
function onParentGone(react) {
  if (!process.env.npm_lifecycle_script?.includes('scripts/run.mjs')) return () => {};
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    react();
  }, PARENT_CHECK_MS);
  return () => clearInterval(timer);
}

/** The exit code to end with after a command: its own, or the shell's 128 + n where a signal ended it. */
export function exitCode({ code, signal }) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/** The name of PATH in `env`: Windows spells it `Path`, and would ignore a second spelling beside it. */
export function pathVariable(env) {
  return Object.keys(env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH';
}
