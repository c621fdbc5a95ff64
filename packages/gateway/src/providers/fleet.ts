import { z } from 'zod';
import { plainWords } from '../catalogue/validate/plainWords.ts';
import type { FleetMember } from './account.ts';
import type { ConfiguredAccount } from './definition.ts';

// A fleet is written as one account with `members`, and each member is an account of its own: with its own places, rates, back-off and
// jobs. So a job stays with the server that has it, and the least loaded server gets the next one, as among any accounts of one model.

/** One account that the file makes. `placeOf` says where the operator finds one of its settings. */
export interface WrittenAccount {
  readonly id: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly placeOf: (path: readonly PropertyKey[]) => string;
  readonly member?: Omit<FleetMember, 'server'>;
}

/** The names of accounts and of the members of a fleet. */
export const ACCOUNT_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const NAME_RULE = 'a name may hold lower case letters, digits, - and _ only';

/** A server that restarts, or a network that fails for a moment, is back before. Seconds. */
const LOST_AFTER_S = 600;

const FLEET = z.object({
  members: z
    .record(
      z.string(),
      z.strictObject({ base_url: z.string(), limits: z.record(z.string(), z.unknown()).optional() }),
    )
    .superRefine((members, context) => {
      const names = Object.keys(members);
      if (names.length === 0) context.addIssue('must have at least one member');
      for (const name of names)
        if (!ACCOUNT_NAME.test(name)) context.addIssue({ code: 'custom', path: [name], message: NAME_RULE });
    }),
  lost_after_seconds: z.number().min(1).max(86_400).default(LOST_AFTER_S),
  resubmit_unknown: z.boolean().optional(),
  base_url: z.undefined({ error: 'each member has its own' }).optional(),
});

/** The members of an account that is a fleet, besides those of any other. */
export const FLEET_MEMBERS: readonly string[] = Object.keys(FLEET.shape);

/** The id of a member's account. Names have no dot, so it is that of no other account. */
const memberId = (fleet: string, name: string): string => `${fleet}.${name}`;

/** The accounts that one account of the file makes: itself, or those of its members. */
export function readFleet(
  id: string,
  written: Readonly<Record<string, unknown>>,
): { accounts: WrittenAccount[]; problems: string[] } {
  const placeOf = (path: readonly PropertyKey[]) => ['accounts', id, ...path].map(String).join('.');
  if (written.members === undefined) return { accounts: [{ id, settings: written, placeOf }], problems: [] };

  const fleet = FLEET.safeParse(written, { error: plainWords });
  if (!fleet.success)
    return {
      accounts: [],
      problems: fleet.error.issues.map(({ path, message }) => `${placeOf(path)}: ${message}`),
    };
  const {
    members,
    lost_after_seconds: lostAfter,
    resubmit_unknown: resubmitUnknown,
    ...shared
  } = { ...written, ...fleet.data };
  return {
    problems: [],
    accounts: Object.entries(members).map(([name, own]) => ({
      id: memberId(id, name),
      settings: {
        ...shared,
        ...own,
        ...(own.limits && { limits: { ...Object(written.limits), ...own.limits } }),
      },
      // What all members share is found at the fleet, once.
      placeOf: (path) => placeOf(String(path[0]) in own ? ['members', name, ...path] : path),
      member: { fleet: id, lostAfterMs: lostAfter * 1000, resubmitUnknown },
    })),
  };
}

/**
 * A checked account as a member of its fleet. Throws a sentence if it cannot be one: the same video made twice must cost nothing, so
 * members are servers of one's own.
 */
export function asMember(
  account: Omit<ConfiguredAccount, 'member'>,
  member: Omit<FleetMember, 'server'>,
): ConfiguredAccount | undefined {
  const server = account.definition.fleet?.serverOf(account.account);
  return server === undefined ? undefined : { ...account, member: { ...member, server } };
}

/** Members with one server, which would get more tasks than the limits of each allow. One sentence per problem. */
export function sameServers(accounts: readonly ConfiguredAccount[]): string[] {
  const first = new Map<string, string>();
  return accounts.flatMap(({ id, member }) => {
    if (!member) return [];
    const other = first.get(member.server);
    first.set(member.server, other ?? id);
    if (other === undefined) return [];
    return [
      `accounts.${id.replace('.', '.members.')}.base_url: is also that of ${other}; each member is another server.`,
    ];
  });
}

/**
 * A member of a configured fleet that is not configured itself, or not any more, with the server that it had when a job was submitted to
 * it. Undefined if there is no such fleet.
 */
export function formerMember(
  accounts: readonly ConfiguredAccount[],
  id: string,
  server: string,
): ConfiguredAccount | undefined {
  const other = accounts.find(({ member }) => member && id.startsWith(memberId(member.fleet, '')));
  if (!other?.member || !other.definition.fleet) return undefined;
  const { definition, account, member } = other;
  return {
    id,
    definition,
    account: other.definition.fleet.at(account, server),
    member: { ...member, server },
  };
}
