/**
 * A step of a model. `fair` steps happen sooner or later if nothing fails any more. Faults, and messages that may never be
 * delivered, are not needed for anything to end.
 */
export interface Step<World> {
  readonly name: string;
  readonly isFair: boolean;
  readonly next: World;
}

export interface Model<World> {
  readonly start: World;
  steps(world: World): Iterable<Step<World>>;
  /** The same for states that behave equally. */
  keyOf(world: World): string;
  /** The invariant that is violated in this state. */
  violation(world: World): string | undefined;
  /** What must stay reachable by fair steps from every state. */
  isDone(world: World): boolean;
}

export interface Counterexample {
  readonly what: string;
  /** The names of the steps from the start. */
  readonly trace: readonly string[];
}

export interface Exploration {
  readonly states: number;
  readonly steps: number;
  /** Steps to the most distant state. */
  readonly depth: number;
  /** The shortest trace to a state that violates an invariant, or from which no fair steps lead out. */
  readonly counterexample: Counterexample | undefined;
}

/** Visits every reachable state, breadth first. Throws if there are more than `limit`, because an incomplete exploration proves nothing. */
export function explore<World>(model: Model<World>, limit: number): Exploration {
  const worlds: (World | undefined)[] = [model.start];
  const indexes = new Map([[model.keyOf(model.start), 0]]);
  const cameFrom: number[] = [-1];
  const cameBy: string[] = ['the start'];
  const depths: number[] = [0];
  const fair = { from: [] as number[], to: [] as number[] };
  const done: number[] = [];
  let steps = 0;

  function result(counterexample?: Counterexample): Exploration {
    return { states: depths.length, steps, depth: depths.at(-1) ?? 0, counterexample };
  }
  function traceTo(index: number): string[] {
    const trace: string[] = [];
    for (let at = index; at > 0; at = cameFrom[at] ?? 0) trace.unshift(cameBy[at] ?? '');
    return trace;
  }

  for (let index = 0; index < depths.length; index++) {
    const world = worlds[index];
    if (world === undefined) continue;
    // Only states that are still to be expanded are kept completely.
    worlds[index] = undefined;
    const what = model.violation(world);
    if (what !== undefined) return result({ what, trace: traceTo(index) });
    if (model.isDone(world)) done.push(index);
    for (const { name, isFair, next } of model.steps(world)) {
      steps += 1;
      const key = model.keyOf(next);
      let to = indexes.get(key);
      if (to === undefined) {
        to = depths.length;
        if (to >= limit) throw new Error(`the model has more than ${limit} states`);
        indexes.set(key, to);
        worlds.push(next);
        cameFrom.push(index);
        cameBy.push(name);
        depths.push((depths[index] ?? 0) + 1);
      }
      if (isFair) {
        fair.from.push(index);
        fair.to.push(to);
      }
    }
  }
  const trap = firstOutside(reaching(done, fair, depths.length));
  if (trap === undefined) return result();
  return result({ what: 'no fair steps lead from here to the end of every task', trace: traceTo(trap) });
}

/** The states with a path to one of `targets`. */
function reaching(
  targets: readonly number[],
  edges: { readonly from: readonly number[]; readonly to: readonly number[] },
  states: number,
): Uint8Array {
  // The edges by their target, each target's in one stretch.
  const ends = new Uint32Array(states + 1);
  for (const to of edges.to) ends[to + 1] = (ends[to + 1] ?? 0) + 1;
  for (let state = 0; state < states; state++) ends[state + 1] = (ends[state + 1] ?? 0) + (ends[state] ?? 0);
  const places = ends.slice();
  const sources = new Uint32Array(edges.from.length);
  for (const [edge, to] of edges.to.entries()) {
    const place = places[to] ?? 0;
    sources[place] = edges.from[edge] ?? 0;
    places[to] = place + 1;
  }
  const reached = new Uint8Array(states);
  const open = [...targets];
  for (const target of targets) reached[target] = 1;
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const source of sources.subarray(ends[state], ends[state + 1])) {
      if (reached[source]) continue;
      reached[source] = 1;
      open.push(source);
    }
  }
  return reached;
}

function firstOutside(reached: Uint8Array): number | undefined {
  const index = reached.indexOf(0);
  return index < 0 ? undefined : index;
}

/** For people: one step per line. */
export const written = ({ what, trace }: Counterexample): string =>
  [...trace.map((step, index) => `${String(index + 1).padStart(3)}. ${step}`), `  => ${what}`].join('\n');
