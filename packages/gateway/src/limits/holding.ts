import type { AccountGrant, AccountReport, AccountTrouble } from '../store/store.ts';
import type { AccountUsage } from './limits.ts';

/** What this node holds of one account, as the nodes divided it last. Starts with nothing. */
export interface Holding {
  /** Tasks that may be started up to, and the part of the rates, in millionths. */
  places(): number;
  rate(): number;
  /** What the node says of itself: from here on it keeps within what it reports, so that others may have the rest. */
  report(usage: AccountUsage, now: number): AccountReport;
  /** True where `places` or `rate` are others than before. */
  granted(grant: AccountGrant): boolean;
  /** The last report was given up, and may still arrive. */
  lost(): void;
  /** The session is over, and all that it held. */
  forfeit(): void;
  /** Beyond its part, and free: what is worth giving back at once where others wait for it. */
  hasSpare(inUse: number): boolean;
  /** It has its part and no more than that, but for what is in use. */
  isSettled(inUse: number): boolean;
  /** The last report gave something back that is worth telling. */
  readonly gaveBack: boolean;
  readonly lastReport: AccountReport | undefined;
  readonly lastGrant: AccountGrant | undefined;
  /** News of the account, to go with the next report. */
  pend(trouble: AccountTrouble, now: number): void;
  readonly hasNews: boolean;
}

/** A rate that falls by less is nobody's concern: parts drift with every task that comes and goes. */
const WORTH_TELLING = 0.9;

export function createHolding(account: string, limit: number): Holding {
  let held = { places: 0, rate: 0 };
  let fair = { places: 0, rate: 0 };
  let generation = 0;
  let gaveBack = false;
  let lastReport: AccountReport | undefined;
  let lastGrant: AccountGrant | undefined;
  let news: { trouble: AccountTrouble; until: number } | undefined;
  let sent: typeof news;

  const places = (): number => Math.min(held.places, fair.places);
  const rate = (): number => Math.min(held.rate, fair.rate);

  function grantedNow(grant: AccountGrant): boolean {
    const before = { places: places(), rate: rate() };
    held = { places: grant.places, rate: grant.rate };
    fair = { places: grant.fairPlaces, rate: grant.fairRate };
    lastGrant = grant;
    if (news === sent) news = undefined;
    return before.places !== places() || before.rate !== rate();
  }

  return {
    places,
    rate,
    report({ inUse, waiting }, now) {
      const kept = { places: Math.max(places(), Math.min(held.places, inUse)), rate: rate() };
      gaveBack = kept.places < held.places || kept.rate < held.rate * WORTH_TELLING;
      held = kept;
      sent = news;
      lastReport = {
        account,
        limit,
        ...kept,
        inUse,
        waiting,
        generation,
        ...(news ? { trouble: { ...news.trouble, waitMs: Math.max(0, news.until - now) } } : {}),
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
    pend(trouble, now) {
      news = { trouble, until: now + trouble.waitMs };
    },
    get hasNews() {
      return news !== undefined;
    },
  };
}
