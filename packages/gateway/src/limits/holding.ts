import type { AccountGrant, AccountReport, AccountTrouble } from '../store/store.ts';
import type { AccountUsage } from './limits.ts';

/** This node's share of one account, as last granted by the store. Initially empty. */
export interface Holding {
  /** Maximum number of tasks in flight, and the share of the rates in millionths. */
  places(): number;
  rate(): number;
  /** Makes the next report. From here on the node stays within the reported share, so that other nodes can use the rest. */
  report(usage: AccountUsage, now: number): AccountReport;
  /** Applies a grant; true if `places` or `rate` have changed. */
  granted(grant: AccountGrant): boolean;
  /** The last report failed, but may still arrive at the store. */
  lost(): void;
  /** The lease is lost, and the whole share with it. */
  forfeit(): void;
  /** Whether unused parts beyond the fair share are worth returning at once if other nodes wait. */
  hasSpare(inUse: number): boolean;
  /** Whether the node holds exactly its fair share, apart from slots in use. */
  isSettled(inUse: number): boolean;
  /** Whether the last report returned enough to notify other nodes. */
  readonly gaveBack: boolean;
  readonly lastReport: AccountReport | undefined;
  readonly lastGrant: AccountGrant | undefined;
  /** Attaches a problem or recovery of the account to the next report. */
  attachTrouble(trouble: AccountTrouble, now: number): void;
  readonly hasTrouble: boolean;
}

/** A smaller decrease of the rate is not announced: shares drift with every task that comes and goes. */
const WORTH_TELLING = 0.9;

export function createHolding(account: string, limit: number): Holding {
  let held = { places: 0, rate: 0 };
  let fair = { places: 0, rate: 0 };
  let generation = 0;
  let gaveBack = false;
  let lastReport: AccountReport | undefined;
  let lastGrant: AccountGrant | undefined;
  let pendingTrouble: { trouble: AccountTrouble; until: number } | undefined;
  let sent: typeof pendingTrouble;

  const places = (): number => Math.min(held.places, fair.places);
  const rate = (): number => Math.min(held.rate, fair.rate);

  function grantedNow(grant: AccountGrant): boolean {
    const before = { places: places(), rate: rate() };
    held = { places: grant.places, rate: grant.rate };
    fair = { places: grant.fairPlaces, rate: grant.fairRate };
    lastGrant = grant;
    if (pendingTrouble === sent) pendingTrouble = undefined;
    return before.places !== places() || before.rate !== rate();
  }

  return {
    places,
    rate,
    report({ inUse, waiting }, now) {
      const kept = { places: Math.max(places(), Math.min(held.places, inUse)), rate: rate() };
      gaveBack = kept.places < held.places || kept.rate < held.rate * WORTH_TELLING;
      held = kept;
      sent = pendingTrouble;
      lastReport = {
        account,
        limit,
        ...kept,
        inUse,
        waiting,
        generation,
        ...(pendingTrouble
          ? { trouble: { ...pendingTrouble.trouble, waitMs: Math.max(0, pendingTrouble.until - now) } }
          : {}),
      };
      return lastReport;
    },
    granted: grantedNow,
    lost() {
      generation += 1;
    },
    forfeit() {
      held = { places: 0, rate: 0 };
      fair = held;
      lastReport = undefined;
      lastGrant = undefined;
    },
    hasSpare: (inUse) => held.places > Math.max(fair.places, inUse) || fair.rate < held.rate * WORTH_TELLING,
    isSettled: (inUse) =>
      held.rate === fair.rate && held.places >= fair.places && held.places <= Math.max(fair.places, inUse),
    get gaveBack() {
      return gaveBack;
    },
    get lastReport() {
      return lastReport;
    },
    get lastGrant() {
      return lastGrant;
    },
    attachTrouble(trouble, now) {
      pendingTrouble = { trouble, until: now + trouble.waitMs };
    },
    get hasTrouble() {
      return pendingTrouble !== undefined;
    },
  };
}
