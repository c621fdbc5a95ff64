import type { Sending } from '../../src/providers/provider.ts';

/** What a creation is sent under where the test is about something else: the node may send. */
export const sending = (signal: AbortSignal = AbortSignal.timeout(60_000)): Sending => ({
  signal,
  maySend: () => true,
});
