import {
  createSharedState,
  type RunningUpstream,
  type SharedOptions,
  type SharedState,
} from '../../src/index.ts';
import { toyUpstream } from './toyUpstream.ts';

export interface ToyJob {
  readonly id: string;
  readonly state: string;
  readonly created_at: number;
  readonly url: string | null;
}

/** A running toy upstream and a client of it. */
export interface RunningToy {
  readonly shared: SharedState;
  readonly toy: RunningUpstream;
  submit(prompt: string): Promise<string>;
  poll(id: string): Promise<ToyJob>;
  /** Skips time, and runs everything that is due in it. */
  advance(ms: number): void;
  close(): Promise<void>;
}

export async function startToy(
  options: SharedOptions & { readonly places?: number } = {},
): Promise<RunningToy> {
  const shared = createSharedState(options);
  const toy = await toyUpstream(options).serve(shared);
  const json = async (response: Response) => (await response.json()) as ToyJob;
  return {
    shared,
    toy,
    async submit(prompt) {
      const response = await fetch(`${toy.url}/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${toy.key}` },
        body: JSON.stringify({ prompt }),
      });
      return (await json(response)).id;
    },
    poll: async (id) => json(await fetch(`${toy.url}/jobs/${id}`)),
    advance(ms) {
      shared.clock.advance(ms);
      shared.schedule.settle();
    },
    async close() {
      await toy.close();
      await shared.close();
    },
  };
}
