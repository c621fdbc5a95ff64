import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../src/config/config.ts';

const nothing = () => undefined;
const TASKS = 'ONETAKE_TASK_RETENTION_DAYS';
const LEDGER = 'ONETAKE_LEDGER_RETENTION_DAYS';
const DELIVERIES = 'ONETAKE_DELIVERY_RETENTION_HOURS';
const EVENTS = 'ONETAKE_EVENT_RETENTION_HOURS';
const VIDEOS = 'ONETAKE_RETENTION_HOURS';

describe('how long things are kept', () => {
  it.each<[string, Record<string, string>, RegExp]>([
    [
      'tasks less than an upstream may take to end them',
      { [TASKS]: '1' },
      /TASK_RETENTION_DAYS: must be 0, for ever, or at least 2 days/,
    ],
    [
      'ledger rows less than that',
      { [LEDGER]: '1' },
      /LEDGER_RETENTION_DAYS: must be 0, as long as the task, or at least 2 days/,
    ],
    [
      'tasks less than videos and events',
      { [TASKS]: '6' },
      /set it to 7 or more, or lower ONETAKE_RETENTION_HOURS and ONETAKE_EVENT_RETENTION_HOURS\./,
    ],
    [
      'tasks less than videos',
      { [TASKS]: '6', [EVENTS]: '24', [VIDEOS]: '145' },
      /set it to 7 or more, or lower ONETAKE_RETENTION_HOURS\./,
    ],
    [
      'ledger rows longer than tasks',
      { [TASKS]: '30', [LEDGER]: '31' },
      /LEDGER_RETENTION_DAYS: .*set it to 30 or less/,
    ],
    [
      'deliveries longer than events',
      { [DELIVERIES]: '169' },
      /DELIVERY_RETENTION_HOURS: .*set it to 168 or less/,
    ],
  ])('cannot be set to %s', async (_, env, told) => {
    await expect(checkConfig(env, nothing)).rejects.toThrow(told);
  });

  it.each<Record<string, string>>([
    {},
    { [TASKS]: '7', [LEDGER]: '7', [DELIVERIES]: '168' },
    { [TASKS]: '2', [VIDEOS]: '48', [EVENTS]: '48' },
    { [LEDGER]: '1000' },
  ])('can be %j', async (env) => {
    const { taskRetentionDays, ledgerRetentionDays } = await checkConfig(env, nothing);
    expect({ taskRetentionDays, ledgerRetentionDays }).toEqual({
      taskRetentionDays: Number(env[TASKS] ?? 0),
      ledgerRetentionDays: Number(env[LEDGER] ?? 0),
    });
  });
});
