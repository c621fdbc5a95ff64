import type { Migration } from 'kysely/migration';
import type { Dialect } from './dialect.ts';
import { up as servers } from './steps/0011_servers.ts';
import { up as events } from './steps/0012_events.ts';
import { up as findVersions } from './steps/0013_find_versions.ts';
import { up as webhooks } from './steps/0014_webhooks.ts';
import { up as eventsByProject } from './steps/0015_events_by_project.ts';
import { up as files } from './steps/0016_files.ts';
import { up as webhookLookups } from './steps/0017_webhook_lookups.ts';
import { up as lists } from './steps/0018_lists.ts';
import { up as retention } from './steps/0019_retention.ts';
import { up as projects } from './steps/0021_projects.ts';
import { up as quotas } from './steps/0022_quotas.ts';
import { up as ledgerDays } from './steps/0023_ledger_days.ts';
import { up as initial } from './steps/first/0001_initial.ts';
import { up as cluster } from './steps/first/0002_cluster.ts';
import { up as accounts } from './steps/first/0003_accounts.ts';
import { up as writeCheck } from './steps/first/0004_write_check.ts';
import { up as upstreamTimes } from './steps/first/0005_upstream_times.ts';
import { up as mediaChecks } from './steps/first/0006_media_checks.ts';
import { up as accountTrouble } from './steps/first/0007_account_trouble.ts';
import { up as limits } from './steps/first/0008_limits.ts';
import { up as estimates } from './steps/first/0009_estimates.ts';
import { up as upstreamIds } from './steps/first/0010_upstream_ids.ts';

/** Every migration, in order. Append only: one that has shipped is never edited. */
export const migrationsFor = (dialect: Dialect): Readonly<Record<string, Migration>> => ({
  '0001_initial': { up: initial },
  '0002_cluster': { up: (db) => cluster(db, dialect) },
  '0003_accounts': { up: accounts },
  '0004_write_check': { up: writeCheck },
  '0005_upstream_times': { up: upstreamTimes },
  '0006_media_checks': { up: mediaChecks },
  '0007_account_trouble': { up: accountTrouble },
  '0008_limits': { up: (db) => limits(db, dialect) },
  '0009_estimates': { up: estimates },
  '0010_upstream_ids': { up: (db) => upstreamIds(db, dialect) },
  '0011_servers': { up: servers },
  '0012_events': { up: (db) => events(db, dialect) },
  '0013_find_versions': { up: findVersions },
  '0014_webhooks': { up: webhooks },
  '0015_events_by_project': { up: (db) => eventsByProject(db, dialect) },
  '0016_files': { up: files },
  '0017_webhook_lookups': { up: (db) => webhookLookups(db, dialect) },
  '0018_lists': { up: (db) => lists(db, dialect) },
  '0019_retention': { up: (db) => retention(db, dialect) },
  '0021_projects': { up: (db) => projects(db, dialect) },
  '0022_quotas': { up: (db) => quotas(db, dialect) },
  '0023_ledger_days': { up: (db) => ledgerDays(db) },
});
