/** What the machine or its network lacks; it says nothing about whoever is at the other end. */
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

/** Whether nothing but trouble of this machine kept a call from being made. */
export function isMachineTrouble(error: unknown): boolean {
  const codes = errorCodes(error);
  return codes.length > 0 && codes.every((code) => MACHINE.has(code));
}

/** Error codes, also of the causes and of the addresses that were tried one after the other. */
export function errorCodes(error: unknown): string[] {
  if (!(error instanceof Error)) return [];
  const own = 'code' in error && typeof error.code === 'string' ? [error.code] : [];
  const inner = error instanceof AggregateError ? error.errors.flatMap(errorCodes) : errorCodes(error.cause);
  return inner.length > 0 ? inner : own;
}
