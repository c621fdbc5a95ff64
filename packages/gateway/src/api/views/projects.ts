import type { z } from 'zod';
import type { KeyRow, Limits, ProjectRow, StoredAuditRow } from '../../store/projects.ts';
import { MICROS } from '../../tasks/money.ts';
import type { Counted } from '../../tasks/quota.ts';
import type { ApiContext } from '../context.ts';
import type { AuditView, KeyView, LimitsView, ProjectView } from '../schemas.ts';

const seconds = (ms: number): number => Math.floor(ms / 1000);
const micros = (amount: number): number => Math.round(amount * MICROS);

type WireLimits = z.infer<typeof LimitsView>;

/** Limits of the wire as they are stored. */
export const limitsOf = (limits: WireLimits): Limits => ({
  ...(limits.requests_per_minute == null ? {} : { requestsPerMinute: limits.requests_per_minute }),
  ...(limits.tasks_in_flight == null ? {} : { tasksInFlight: limits.tasks_in_flight }),
  ...(limits.daily_budget == null ? {} : { dailyBudgetMicros: micros(limits.daily_budget) }),
  ...(limits.monthly_budget == null ? {} : { monthlyBudgetMicros: micros(limits.monthly_budget) }),
});

const limitsView = (limits: Limits): WireLimits => ({
  ...(limits.requestsPerMinute === undefined ? {} : { requests_per_minute: limits.requestsPerMinute }),
  ...(limits.tasksInFlight === undefined ? {} : { tasks_in_flight: limits.tasksInFlight }),
  ...(limits.dailyBudgetMicros === undefined ? {} : { daily_budget: limits.dailyBudgetMicros / MICROS }),
  ...(limits.monthlyBudgetMicros === undefined
    ? {}
    : { monthly_budget: limits.monthlyBudgetMicros / MICROS }),
});

const allowanceView = ({ limits, defaultMetadata }: Pick<ProjectRow, 'limits' | 'defaultMetadata'>) => ({
  ...(limits ? { limits: limitsView(limits) } : {}),
  ...(defaultMetadata ? { default_metadata: { ...defaultMetadata } } : {}),
});

export const keyView = (row: KeyRow): z.infer<typeof KeyView> => ({
  id: row.id,
  name: row.name,
  project: row.projectId,
  prefix: row.prefix,
  scopes: [...row.scopes],
  ...(row.models ? { models: [...row.models] } : {}),
  ...allowanceView(row),
  created_at: seconds(row.createdAt),
  ...(row.expiresAt === undefined ? {} : { expires_at: seconds(row.expiresAt) }),
  ...(row.revokedAt === undefined ? {} : { revoked_at: seconds(row.revokedAt) }),
  ...(row.replacedBy === undefined ? {} : { replaced_by: row.replacedBy }),
});

export const projectView = (row: ProjectRow): z.infer<typeof ProjectView> => ({
  id: row.id,
  name: row.name,
  ...allowanceView(row),
  created_at: seconds(row.createdAt),
  ...(row.archivedAt === undefined ? {} : { archived_at: seconds(row.archivedAt) }),
});

export const auditView = ({
  id,
  at,
  actor,
  action,
  subject,
  detail,
}: StoredAuditRow): z.infer<typeof AuditView> => ({
  id,
  at: seconds(at),
  actor,
  action,
  subject,
  ...(detail ? { detail: Object.fromEntries(Object.entries(detail).map(onWire)) } : {}),
});

/** A member of a stored detail, which is a value or a pair of values, in the words of the wire. */
function onWire([name, value]: [string, unknown]): [string, unknown] {
  const wire = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const convert = (one: unknown): unknown => {
    if (name === 'limits' && typeof one === 'object' && one !== null) return limitsView(one as Limits);
    return name.endsWith('At') && typeof one === 'number' ? seconds(one) : one;
  };
  const isPair = Array.isArray(value) && (name === 'limits' || name.endsWith('At'));
  return [wire, isPair ? value.map(convert) : convert(value)];
}

/** What a project or a key uses at the moment. */
export async function useView({ store, clock, settings }: ApiContext, counted: Counted) {
  const { budgetCurrency: currency } = settings;
  const { tasksInFlight, dayMicros, monthMicros } = await store.quotaUse(counted, clock.now(), currency);
  return { tasks_in_flight: tasksInFlight, day: dayMicros / MICROS, month: monthMicros / MICROS, currency };
}
