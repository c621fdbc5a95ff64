import type { Account, FleetMember } from './account.ts';
import type { ConfiguredAccount } from './definition.ts';
import { formerMember } from './fleet.ts';

/** The members of fleets, which change while the gateway runs. */
export interface Members {
  /**
   * Opens the members that are new, takes those out of service that are not configured any more, and gives each the places that it is
   * configured with. A fleet of which none is configured keeps those that it has: only a restart takes away a whole fleet. An open member is
   * never closed: it may have jobs, and videos whose copies here can be damaged.
   */
  setMembers(configured: readonly ConfiguredAccount[]): Promise<void>;
  /** See `EngineParts.openFormer`. */
  openFormer(id: string, server: string): Promise<Account | undefined>;
}

interface MembersParts {
  /** All accounts. Those that are opened are added. */
  readonly accounts: Account[];
  readonly configured: readonly ConfiguredAccount[];
  readonly open: (account: ConfiguredAccount) => Promise<Account>;
  /** The places that an opened account is configured with. */
  readonly placesOf: (account: ConfiguredAccount) => number | undefined;
}

type Changing<T> = { -readonly [K in keyof T]: T[K] };

export function createMembers({ accounts, open, placesOf, ...parts }: MembersParts): Members {
  let { configured } = parts;
  let last: Promise<unknown> = Promise.resolve();

  /** One change after the other, so that nothing is opened twice. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => undefined);
    return done;
  }

  async function add(member: ConfiguredAccount, isRemoved: boolean): Promise<Account> {
    const account = await open(member);
    if (account.member) setRemoved(account.member, isRemoved);
    accounts.push(account);
    return account;
  }

  return {
    setMembers: (next) =>
      inTurn(async () => {
        const fleets = new Set(next.map(({ member }) => member?.fleet));
        configured = [...next, ...configured.filter(({ member }) => member && !fleets.has(member.fleet))];
        for (const account of accounts) {
          if (!account.member) continue;
          const member = configured.find(({ id }) => id === account.id);
          // Tasks must not go to a server that the operator has replaced by another one.
          const isSame = member?.member?.server === account.member.server;
          setRemoved(account.member, !isSame);
          if (member && isSame) setPlaces(account, placesOf(member));
        }
        for (const member of next)
          if (member.member && !accounts.some(({ id }) => id === member.id)) await add(member, false);
      }),
    openFormer: (id, server) =>
      inTurn(async () => {
        const known = accounts.find((account) => account.id === id);
        if (known) return known;
        const member = formerMember(configured, id, server);
        return member && add(member, true);
      }),
  };
}

function setRemoved(member: Changing<FleetMember>, isRemoved: boolean): void {
  member.isRemoved = isRemoved;
}

function setPlaces(account: Changing<Account>, inFlight = account.limits.inFlight): void {
  account.limits = { ...account.limits, inFlight };
}
