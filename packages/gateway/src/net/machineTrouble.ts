/** Error codes of this machine or its network. They say nothing about the remote server. */
const MACHINE: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'ENETDOWN',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** Whether a call failed only because of problems of this machine, before it was sent. */
export function isMachineTrouble(error: unknown): boolean {
  const codes = errorCodes(error);
  return codes.length > 0 && codes.every((code) => MACHINE.has(code));
}

/** The error codes of an error, of its causes, and of each address that was tried. */
export function errorCodes(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  const inner = error instanceof AggregateError ? error.errors.flatMap(errorCodes) : errorCodes(error.cause);
  return inner.length > 0 ? inner : own;
}
