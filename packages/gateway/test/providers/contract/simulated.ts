import { once } from 'node:events';
import type { Simulators } from '@onetake/simulators';
import type { Callback, Handle } from '../../../src/providers/provider.ts';
import { serve } from '../../support/servers/httpServer.ts';
import { CALLBACKS, type NetworkFaults } from './fixture.ts';

/** Network trouble of a simulated upstream. */
export const networkOf = ({ faults }: Pick<Simulators, 'faults'>): NetworkFaults => ({
  loseNextAnswer: () => void faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 }),
  breakUpstream: () => void faults.add({ kind: 'reset' }),
  stallUpstream: () => void faults.add({ kind: 'hang' }),
  pollLater: (seconds) => void faults.add({ kind: 'poll_later', operation: 'poll', retryAfter: seconds }),
  renameIds() {
    for (const operation of ['poll', 'list'] as const) faults.add({ kind: 'renamed_ids', operation });
  },
  refuseWith: (status, words) =>
    void faults.add({ kind: 'server_error', operation: 'submit', status, words }),
  sayInErrors: (words) => void faults.add({ kind: 'reworded_errors', operation: 'poll', words }),
  flattenErrors: (words) => void faults.add({ kind: 'flat_errors', operation: 'poll', words }),
  answerWithPage: (operation, status) =>
    void faults.add({ kind: 'server_error', operation, status, html: true }),
  giveId: (id) => void faults.add({ kind: 'given_id', id }),
  skewClock: (skewMs) => void faults.add({ kind: 'clock_skew', skewMs }),
});

/** An address that a simulated upstream calls back. `about` resolves with a callback that names the job. */
export async function receiveCallbacks(): Promise<{
  readonly url: string;
  about(handle: Handle): Promise<Callback>;
}> {
  const received: Callback[] = [];
  const arrivals = new EventTarget();
  const { origin } = await serve(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const { searchParams } = new URL(request.url ?? '', origin);
    const rawBody = Buffer.concat(pieces);
    received.push({ headers: request.headers, rawBody, query: Object.fromEntries(searchParams) });
    response.writeHead(204).end();
    arrivals.dispatchEvent(new Event('callback'));
  });
  return {
    url: `${origin}${CALLBACKS}`,
    async about({ upstreamId }) {
      for (;;) {
        const found = received.find(({ rawBody }) => rawBody.includes(upstreamId));
        if (found) return found;
        await once(arrivals, 'callback');
      }
    },
  };
}
