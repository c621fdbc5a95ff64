import { draw, shuffled } from '../shared/random.ts';

/** What happens. */
const ACTS = ['client_killed', 'network_cut', 'gateway_killed', 'gateway_stopped'] as const;
type Act = (typeof ACTS)[number];

/** When it happens to a client: while it submits, waits for the end of its task, or downloads the video. */
const MOMENTS = ['submit', 'wait', 'download'] as const;
export type Moment = (typeof MOMENTS)[number];

export interface FaultKind {
  readonly act: Act;
  readonly moment: Moment;
}

/** The kind of a fault in reports. */
export type KindName = `${Act} ${Moment}` | typeof CALM;
export const CALM = 'nothing';

/** What happens to one client in one round. */
export interface PlannedFault extends FaultKind {
  /** Whether a killed client goes on with the id of its task, or submits again with its key. */
  readonly byId: boolean;
  /** While it submits: whether the request or its answer is cut off. While it downloads: always the answer. */
  readonly cuts: 'request' | 'answer';
  /** How much of the answer passes before, from 0 to 1 of a video. */
  readonly passes: number;
  /** How long a cut network refuses connections. Milliseconds. */
  readonly awayMs: number;
}

/** One round: nothing fails, or the gateway fails for all clients in the same moment, or each client has a fault of its own. */
export type Round = ReadonlyMap<string, PlannedFault> | undefined;

const kindsOf = (...acts: readonly Act[]): readonly FaultKind[] =>
  acts.flatMap((act) => MOMENTS.map((moment) => ({ act, moment })));
const OF_ONE = kindsOf('client_killed', 'network_cut');
const OF_ALL = kindsOf('gateway_killed', 'gateway_stopped');
const LONGEST_AWAY_MS = 3_000;

/** The kinds in the order of reports. */
export const KIND_NAMES: readonly KindName[] = [CALM, ...[...OF_ONE, ...OF_ALL].map(nameOf)];

export function nameOf(kind: FaultKind | undefined): KindName {
  return kind ? `${kind.act} ${kind.moment}` : CALM;
}

/**
 * So many rounds with faults, after one without. Rounds alternate between faults of the gateway and faults of each client, and each client
 * meets every kind before it meets one again.
 */
export function planRounds(rounds: number, clients: readonly string[], seed: string): readonly Round[] {
  const kindFor = (deck: readonly FaultKind[], name: string, turn: number): FaultKind => {
    const pass = Math.floor(turn / deck.length);
    const kind = shuffled(deck, `${seed} ${name} ${pass}`)[turn % deck.length];
    if (!kind) throw new Error('a deck is empty');
    return kind;
  };
  const planned = Array.from({ length: rounds }, (_, round) => {
    const turn = Math.floor(round / 2);
    return new Map(
      clients.map((client) => {
        const kind = round % 2 === 0 ? kindFor(OF_ALL, 'gateway', turn) : kindFor(OF_ONE, client, turn);
        const chance = (what: string) => draw(seed, what, client, round);
        const fault: PlannedFault = {
          ...kind,
          byId: chance('by id') < 0.5,
          cuts: kind.moment === 'submit' && chance('cuts') < 0.5 ? 'request' : 'answer',
          passes: kind.moment === 'download' ? chance('passes') : 0,
          awayMs: Math.round(chance('away') * LONGEST_AWAY_MS),
        };
        return [client, fault] as const;
      }),
    );
  });
  return [undefined, ...planned];
}
