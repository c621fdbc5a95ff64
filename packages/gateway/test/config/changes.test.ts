import { expect, it } from 'vitest';
import { changesForRestart } from '../../src/config/changes.ts';

const A = { base_url: 'http://a', limits: { in_flight: 2 } };
const B = { base_url: 'http://b' };
const file = (members: object, more: object = {}, settings: object = {}) => ({
  ...settings,
  accounts: { gpus: { provider: 'openai', models: ['m'], members, ...more } },
});

it.each([
  ['nothing', file({ a: A, b: B })],
  ['a member that is added', file({ a: A, b: B, c: { base_url: 'http://c' } })],
  ['a member that is removed', file({ b: B })],
  [
    'the places of a member',
    file({ a: { ...A, limits: { in_flight: 3 } }, b: { ...B, limits: { in_flight: 1 } } }),
  ],
  ['the places of all members', file({ a: A, b: B }, { limits: { in_flight: 5 } })],
])('%s needs no restart', (_what, next) => {
  expect(changesForRestart(file({ a: A, b: B }), next)).toEqual([]);
});

it.each<[string, Record<string, unknown>, string[]]>([
  [
    'another server of a member',
    file({ a: { ...A, base_url: 'http://z' }, b: B }),
    ['accounts.gpus.members.a'],
  ],
  [
    'another limit of a member',
    file({ a: { ...A, limits: { in_flight: 2, polls_per_second: 1 } }, b: B }),
    ['accounts.gpus.members.a'],
  ],
  ['what all members share', file({ a: A, b: B }, { models: ['n'] }), ['accounts.gpus']],
  [
    'the places of an account without members',
    { accounts: { ...file({ a: A, b: B }).accounts, one: { provider: 'google', limits: { in_flight: 2 } } } },
    ['accounts.one'],
  ],
  ['a setting', file({ a: A, b: B }, {}, { port: 1 }), ['port']],
  ['a fleet that is removed', { accounts: {} }, ['accounts.gpus']],
  [
    'a fleet that becomes one account',
    { accounts: { gpus: { provider: 'openai', models: ['m'] } } },
    ['accounts.gpus'],
  ],
  [
    'an account that is added',
    { accounts: { ...file({ a: A, b: B }).accounts, more: { provider: 'google' } } },
    ['accounts.more'],
  ],
  ['a file that is emptied', {}, ['accounts.gpus']],
])('%s needs one', (_what, next, changes) => {
  expect(changesForRestart(file({ a: A, b: B }), next)).toEqual(changes);
});
