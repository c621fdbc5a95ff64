/**
 * What the exit codes mean to scripts: docs/clients/cli.md. `mistaken`: the arguments, settings or request have to be changed first. A process
 * that a signal ended has 128 and its number.
 */
export const EXIT = { failed: 1, mistaken: 2, taskFailed: 3, timedOut: 4 } as const;
