import { LRUCache } from 'lru-cache';
import type { Delivery, DeliveryClaim } from '../store/webhooks.ts';

/** How many deliveries a node sends at a time, so that an endpoint that does not answer holds only places of its own. */
export interface Lanes {
  /** Which deliveries may be taken now; undefined if none. To be asked again after each claim, as long as some may be left. */
  room(): Room | undefined;
  /** Counts a delivery. Returns a function to be called when its try has ended, with whether it was delivered. */
  enter(delivery: Pick<Delivery, 'lane' | 'projectId'>): (delivered: boolean) => void;
  readonly inFlight: number;
}

type Room = Omit<DeliveryClaim, 'now' | 'leaseMs'>;

interface LaneLimits {
  readonly total: number;
  readonly perProject: number;
  /** Of a lane whose last try was delivered. */
  readonly perLane: number;
  /** Of a lane that is new, or whose last try failed. More than one, so that one slow answer does not stop it. */
  readonly perUnprovenLane: number;
}

/** Each is a connection. A project needs a place for each of its endpoints, even if none of them answers. */
const LANE_LIMITS: LaneLimits = { total: 512, perProject: 64, perLane: 8, perUnprovenLane: 2 };

/** Lanes of which it is remembered that they work. */
const MOST_REMEMBERED = 10_000;

export function createLanes(limits: LaneLimits = LANE_LIMITS): Lanes {
  const byLane = new Map<string, number>();
  const byProject = new Map<string, number>();
  const proven = new LRUCache<string, true>({ max: MOST_REMEMBERED });
  let inFlight = 0;

  function count(of: Map<string, number>, name: string, change: number): void {
    const now = (of.get(name) ?? 0) + change;
    if (now === 0) of.delete(name);
    else of.set(name, now);
  }

  const places = (lane: string): number => (proven.has(lane) ? limits.perLane : limits.perUnprovenLane);
  const left = (of: ReadonlyMap<string, number>, placesOf: (name: string) => number) =>
    Object.fromEntries([...of].map(([name, used]) => [name, Math.max(0, placesOf(name) - used)]));

  return {
    room() {
      const free = limits.total - inFlight;
      if (free <= 0) return undefined;
      // No project takes the last places, so that a few whose receivers are silent do not stop the others.
      const perProject = Math.min(limits.perProject, Math.ceil(free / 2));
      return {
        // Nor do many in one claim; another follows at once.
        limit: Math.ceil(free / 2),
        // Of a lane with nothing in flight. One that works gets the rest of its places as soon as it has some.
        perLane: limits.perUnprovenLane,
        perProject,
        inLane: left(byLane, places),
        inProject: left(byProject, () => perProject),
      };
    },
    enter({ lane, projectId }) {
      inFlight += 1;
      count(byLane, lane, 1);
      count(byProject, projectId, 1);
      return (delivered) => {
        inFlight -= 1;
        count(byLane, lane, -1);
        count(byProject, projectId, -1);
        if (delivered) proven.set(lane, true);
        else proven.delete(lane);
      };
    },
    get inFlight() {
      return inFlight;
    },
  };
}

/** Whether a claim may have left deliveries that are due, for want of room. */
export function mayLeaveSome(
  { limit, perLane, inLane, perProject, inProject }: Room,
  claimed: readonly { readonly delivery: Pick<Delivery, 'lane' | 'projectId'> }[],
): boolean {
  if (claimed.length >= limit) return true;
  const isFull = (free: Readonly<Record<string, number>>, otherwise: number, taken: readonly string[]) =>
    Object.values(free).includes(0) ||
    [...Map.groupBy(taken, String)].some(([name, { length }]) => length >= (free[name] ?? otherwise));
  return (
    isFull(
      inLane,
      perLane,
      claimed.map(({ delivery }) => delivery.lane),
    ) ||
    isFull(
      inProject,
      perProject,
      claimed.map(({ delivery }) => delivery.projectId),
    )
  );
}
