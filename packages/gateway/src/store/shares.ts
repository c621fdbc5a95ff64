/**
 * Divides one account's limits between the living nodes. Pure functions: each call computes one node's share from what all nodes have
 * reported, and never takes what another node still holds. So the sum of the shares stays within the limit at every moment, even
 * while shares move: a node first returns what it holds beyond its fair share, and only then can another one get it.
 */

/** What one node holds of an account, and what it needs. */
export interface Stake {
  readonly node: string;
  /** The places of a dead node stay reserved until other nodes drive its tasks. It has no share of the rates. */
  readonly alive: boolean;
  /** Maximum number of tasks in flight. */
  readonly places: number;
  /** Its share of the account's rates, in millionths. */
  readonly rate: number;
  /** Tasks in flight, including those adopted from a dead node. May exceed `places` for a while. */
  readonly inUse: number;
  /** Tasks that wait for a place. */
  readonly waiting: number;
  /** Since when it holds places, or holds none. Milliseconds of the database's clock. */
  readonly since: number;
}

export interface Settlement {
  readonly places: number;
  readonly rate: number;
  /** Sum of the rate shares of the living nodes that joined before it. */
  readonly rateBefore: number;
  /** Its fair share at the moment. What it holds beyond that it returns as soon as it is free. */
  readonly fairPlaces: number;
  readonly fairRate: number;
  /** It needs more than it has, and other nodes hold more than their fair share. */
  readonly lacking: boolean;
  /** Other nodes need more than they have. */
  readonly wanted: boolean;
}

/** All of an account's rates, in the unit of `rate`. */
export const WHOLE_RATE = 1_000_000;

/** One part in this many of the rates is divided evenly between all nodes, so that the first task of an idle node starts at once. */
const FLOOR = 10;

/** Rate shares change with every task. A share that is at least this fraction of the fair share is close enough. */
const NEAR = 0.75;

/** In the order of joining. */
const byName = (a: Stake, b: Stake): number => a.node.localeCompare(b.node, 'en', { numeric: true });
const demandOf = ({ inUse, waiting }: Stake): number => inUse + waiting;
const reservedBy = ({ places, inUse }: Stake): number => Math.max(places, inUse);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Computes what `node` may use from now on. `limit`: the account's places. Undefined if `node` has no stake. */
export function settle(node: string, stakes: readonly Stake[], limit: number): Settlement | undefined {
  const mine = stakes.find((stake) => stake.node === node);
  if (!mine) return undefined;
  const others = stakes.filter((stake) => stake !== mine);
  const living = stakes.filter(({ alive }) => alive);
  const fair = fairShares(living, limit - sum(others.filter(({ alive }) => !alive).map(reservedBy)));
  const { places: fairPlaces, rate: fairRate } = fair.get(node) ?? NOTHING;

  const room = limit - sum(others.map(reservedBy));
  const rateLeft = WHOLE_RATE - sum(living.filter((stake) => stake !== mine).map(({ rate }) => rate));
  const settled = {
    ...mine,
    places: Math.max(mine.places, Math.min(fairPlaces, room)),
    rate: Math.max(mine.rate, Math.min(fairRate, rateLeft)),
  };
  const rivals = living
    .filter((stake) => stake !== mine)
    .map((stake) => ({ stake, fair: fair.get(stake.node) ?? NOTHING }));
  return {
    places: settled.places,
    rate: settled.rate,
    rateBefore: sum(living.filter((stake) => byName(stake, mine) < 0).map(({ rate }) => rate)),
    fairPlaces,
    fairRate,
    lacking:
      (lacksPlaces(settled, fairPlaces) && rivals.some((rival) => holdsPlaces(rival.stake, rival.fair))) ||
      (lacksRate(settled, fairRate) && rivals.some((rival) => holdsRate(rival.stake, rival.fair))),
    wanted: rivals.some(
      (rival) => lacksPlaces(rival.stake, rival.fair.places) || lacksRate(rival.stake, rival.fair.rate),
    ),
  };
}

interface Fair {
  readonly places: number;
  readonly rate: number;
}

const NOTHING: Fair = { places: 0, rate: 0 };

const lacksPlaces = (stake: Stake, fair: number): boolean =>
  reservedBy(stake) < Math.min(fair, demandOf(stake));
const lacksRate = (stake: Stake, fair: number): boolean => demandOf(stake) > 0 && stake.rate < fair * NEAR;
const holdsPlaces = (stake: Stake, fair: Fair): boolean => stake.places > Math.max(fair.places, stake.inUse);
const holdsRate = (stake: Stake, fair: Fair): boolean => stake.rate * NEAR > fair.rate;

/** The fair share of each node. The places add up to `limit`, and the rates to at most the whole. */
export function fairShares(stakes: readonly Stake[], limit: number): ReadonlyMap<string, Fair> {
  const ordered = inTurn(stakes);
  const places = fairPlaces(ordered, Math.max(0, limit));
  const floor = Math.floor(WHOLE_RATE / FLOOR / Math.max(1, ordered.length));
  const weights = sum(ordered.map(demandOf));
  const rest = WHOLE_RATE - floor * ordered.length;
  return new Map(
    ordered.map((stake, index) => {
      const part = weights === 0 ? 1 / ordered.length : demandOf(stake) / weights;
      return [stake.node, { places: places[index] ?? 0, rate: floor + Math.floor(rest * part) }];
    }),
  );
}

/**
 * Max-min fairness: each node gets what it needs, up to a level that is the same for all nodes that need more. Places that no node
 * needs are divided evenly, so that most tasks find a free place without a report. A remainder goes to the first nodes in order.
 */
function fairPlaces(ordered: readonly Stake[], limit: number): number[] {
  const wanting = ordered.filter((stake) => demandOf(stake) > 0);
  if (limit < wanting.length) {
    // The next place that becomes free is for a node without one: a node with short tasks must not start another one before it.
    const without = wanting.filter((stake) => reservedBy(stake) === 0);
    const free = limit - sum(ordered.map(reservedBy));
    const next = new Set(without.length > 0 ? without.slice(0, Math.max(1, free)) : wanting.slice(0, limit));
    return ordered.map((stake) => (next.has(stake) ? 1 : 0));
  }
  const given = ordered.map(() => 0);
  let left = limit;
  const give = (index: number, places: number) => {
    given[index] = (given[index] ?? 0) + places;
    left -= places;
  };
  const needOf = (stake: Stake, index: number): number => demandOf(stake) - (given[index] ?? 0);
  while (left > 0) {
    const open = ordered.flatMap((stake, index) => (needOf(stake, index) > 0 ? [{ stake, index }] : []));
    const among = open.length > 0 ? open : ordered.map((stake, index) => ({ stake, index }));
    if (among.length === 0) break;
    const each = Math.floor(left / among.length);
    for (const { stake, index } of among) {
      const most = open.length > 0 ? needOf(stake, index) : Number.POSITIVE_INFINITY;
      give(index, Math.min(most, each === 0 ? Math.min(1, left) : each));
    }
  }
  return given;
}

/**
 * The order in which nodes get what cannot be divided. The node that has waited longest without a place is first, the node that has
 * held places longest is last. So if there are fewer places than nodes, every node gets its turn.
 */
function inTurn(stakes: readonly Stake[]): Stake[] {
  return [...stakes].sort((a, b) => {
    const holds = (reservedBy(a) > 0 ? 1 : 0) - (reservedBy(b) > 0 ? 1 : 0);
    const turn = reservedBy(a) > 0 ? b.since - a.since : a.since - b.since;
    return holds || turn || byName(a, b);
  });
}
