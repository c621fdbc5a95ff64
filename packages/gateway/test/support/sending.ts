import type { Sending } from '../../src/providers/provider.ts';

/** The argument of `submit` in tests of other things: the node may send. */
export const sending = (signal: AbortSignal = AbortSignal.timeout(60_000)): Sending => ({
  signal,
  maySend: () => true,
});
