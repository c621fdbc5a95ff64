import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

type Mapping = Readonly<Record<string, unknown>>;

const MAPPING = z.record(z.string(), z.unknown()).catch({});
const mappingAt = (of: unknown, name: string): Mapping => MAPPING.parse(MAPPING.parse(of)[name]);

/**
 * The settings of onetake.yaml that differ from those of a running gateway and that it does not take over: all but the members of fleets
 * and the places of each.
 */
export function changesForRestart(running: Mapping, next: Mapping): string[] {
  const { accounts: _before, ...before } = running;
  const { accounts: _after, ...after } = next;
  const names = namesIn(before, after).filter((name) => !isDeepStrictEqual(before[name], after[name]));
  const [were, are] = [mappingAt(running, 'accounts'), mappingAt(next, 'accounts')];
  return [...names, ...namesIn(were, are).flatMap((id) => changesOf(id, were[id], are[id]))];
}

function changesOf(id: string, was: unknown, is: unknown): string[] {
  const where = `accounts.${id}`;
  const [wereMembers, areMembers] = [mappingAt(was, 'members'), mappingAt(is, 'members')];
  if (!isDeepStrictEqual(withoutMembers(was), withoutMembers(is))) return [where];
  return Object.keys(wereMembers).flatMap((name) => {
    const [before, after] = [wereMembers[name], areMembers[name]];
    const isKept = after === undefined || isDeepStrictEqual(withoutPlaces(before), withoutPlaces(after));
    return isKept ? [] : [`${where}.members.${name}`];
  });
}

/** What all members share, but their places. The places of an account without members need a restart. */
function withoutMembers(account: unknown): unknown {
  const { members, ...rest } = MAPPING.parse(account);
  if (members === undefined) return rest;
  return { ...withoutPlaces(rest), hasMembers: true };
}

function withoutPlaces(member: unknown): Mapping {
  const { limits, ...rest } = MAPPING.parse(member);
  const { in_flight: _, ...others } = MAPPING.parse(limits ?? {});
  return { ...rest, limits: others };
}

const namesIn = (one: Mapping, other: Mapping): string[] => [
  ...new Set([...Object.keys(one), ...Object.keys(other)]),
];
