import { createWorld, type RunningUpstream, type World, type WorldOptions } from '../../src/index.ts';
import { toyUpstream } from './toyUpstream.ts';

export interface ToyJob {
  readonly id: string;
  readonly state: string;
  readonly created_at: number;
  readonly url: string | null;
}

/** A toy upstream that listens, and a client of it. */
export interface ToyWorld {
  readonly world: World;
  readonly toy: RunningUpstream;
  submit(prompt: string): Promise<string>;
  poll(id: string): Promise<ToyJob>;
  /** Skips time until what was due in it has happened. */
  advance(ms: number): void;
  close(): Promise<void>;
}

export async function startToyWorld(
  options: WorldOptions & { readonly places?: number } = {},
): Promise<ToyWorld> {
  const world = createWorld(options);
  const toy = await toyUpstream(options).serve(world);
  const json = async (response: Response) => (await response.json()) as ToyJob;
  return {
    world,
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
      world.clock.advance(ms);
      world.agenda.settle();
    },
    async close() {
      await toy.close();
      await world.close();
    },
  };
}
