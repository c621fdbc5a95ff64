import type { z } from 'zod';
import { catalogueProblems, type DeclaredEntry } from '../catalogue/catalogue.ts';
import { createAddressPolicy } from '../net/allowList.ts';
import { modelsOf } from '../providers/accounts.ts';
import type { ConfiguredAccount } from '../providers/definition.ts';
import type { UnusedVariables } from '../providers/environment.ts';
import { SETTINGS, type SettingName } from './settings.ts';

/** Settings, without those that are invalid by themselves. */
export type Values = { readonly [K in SettingName]?: z.output<(typeof SETTINGS)[K]['schema']> };

/** The same, with the other content of the file. */
export type Known = Values & {
  readonly file: Readonly<Record<string, unknown>>;
  readonly models: Readonly<Record<string, unknown>>;
  readonly declaredModels: readonly DeclaredEntry[];
  readonly accounts: readonly ConfiguredAccount[];
  readonly unusedVariables: readonly UnusedVariables[];
  readonly secrets: readonly string[];
};

/** Problems of settings in combination, one sentence per problem. Opens nothing. */
export function problemsTogether(config: Known): string[] {
  return [
    ...mediaProblems(config),
    ...(config.databaseSessionUrl !== undefined && config.databaseUrl === undefined
      ? ['ONETAKE_DATABASE_SESSION_URL: needs ONETAKE_DATABASE_URL.']
      : []),
    ...retentionProblems(config),
    ...workerProblems(config),
    ...hostProblems(config),
    ...catalogueProblems(
      config.models,
      config.accounts.map(({ account }) => ({ models: modelsOf(account) })),
      config.declaredModels,
    ),
  ];
}

/** Settings that have no effect without a bucket. */
const OF_A_BUCKET = ['s3Endpoint', 's3PublicEndpoint', 's3Region', 's3AccessKeyId', 's3Sse'] as const;

function mediaProblems(config: Known): string[] {
  const { s3Bucket, s3AccessKeyId, s3SecretAccessKey, s3Sse, s3SseKmsKeyId, mediaLinks, sendfile } = config;
  const problems = [
    ...(mediaLinks === 'bucket' && s3Bucket === undefined
      ? ['ONETAKE_MEDIA_LINKS: "bucket" needs ONETAKE_S3_BUCKET.']
      : []),
    ...(sendfile !== undefined && s3Bucket !== undefined
      ? [
          'ONETAKE_SENDFILE: is for files on this machine, not for ONETAKE_S3_BUCKET; ONETAKE_MEDIA_LINKS=bucket lets clients fetch them from the bucket.',
        ]
      : []),
    ...((s3AccessKeyId === undefined) === (s3SecretAccessKey === undefined)
      ? []
      : ['ONETAKE_S3_ACCESS_KEY_ID and ONETAKE_S3_SECRET_ACCESS_KEY: set both, or neither.']),
    ...(s3SseKmsKeyId !== undefined && s3Sse !== 'aws:kms'
      ? ['ONETAKE_S3_SSE_KMS_KEY_ID: needs ONETAKE_S3_SSE=aws:kms.']
      : []),
  ];
  // Otherwise videos would be stored in files, although the operator expects them in a bucket.
  if (s3Bucket === undefined) {
    const meant = OF_A_BUCKET.filter((name) => config[name] !== undefined);
    problems.push(...meant.map((name) => `${SETTINGS[name].env}: needs ONETAKE_S3_BUCKET.`));
  }
  return problems;
}

/** Of a setting that would have no effect before another one. */
function retentionProblems(config: Known): string[] {
  const { taskRetentionDays: taskDays = 0, ledgerRetentionDays: ledgerDays = 0 } = config;
  const { retentionHours = 0, eventRetentionHours = 0, deliveryRetentionHours = 0 } = config;
  const shorter = (['retentionHours', 'eventRetentionHours'] as const).filter(
    (name) => taskDays > 0 && taskDays * 24 < (config[name] ?? 0),
  );
  const leastDays = Math.ceil(Math.max(retentionHours, eventRetentionHours) / 24);
  return [
    ...(shorter.length > 0
      ? [
          `ONETAKE_TASK_RETENTION_DAYS: a task stays as long as its video and its events; set it to ${leastDays} or more, or lower ${shorter.map((name) => SETTINGS[name].env).join(' and ')}.`,
        ]
      : []),
    ...(taskDays > 0 && ledgerDays > taskDays
      ? [
          `ONETAKE_LEDGER_RETENTION_DAYS: ledger rows end with their task; set it to ${taskDays} or less, or raise ONETAKE_TASK_RETENTION_DAYS.`,
        ]
      : []),
    ...(deliveryRetentionHours > eventRetentionHours
      ? [
          `ONETAKE_DELIVERY_RETENTION_HOURS: deliveries end with their event; set it to ${eventRetentionHours} or less, or raise ONETAKE_EVENT_RETENTION_HOURS.`,
        ]
      : []),
  ];
}

/** Also of `auto` on a machine with one core, so that the same settings are right on any. */
function workerProblems({ workers = 1, databaseUrl, s3Bucket }: Known): string[] {
  if (workers === 1) return [];
  const missing = [
    ...(databaseUrl === undefined ? ['ONETAKE_DATABASE_URL'] : []),
    ...(s3Bucket === undefined ? ['ONETAKE_S3_BUCKET'] : []),
  ];
  if (missing.length === 0) return [];
  return [
    `ONETAKE_WORKERS: several processes share a PostgreSQL database and a bucket; set ${missing.join(' and ')}, or leave ONETAKE_WORKERS out, which serves with one process.`,
  ];
}

function hostProblems({ allowPrivateHosts = [] }: Known): string[] {
  return allowPrivateHosts.flatMap((host) => {
    try {
      createAddressPolicy([host]);
      return [];
    } catch (error) {
      return [`${error instanceof Error ? error.message : String(error)}.`];
    }
  });
}
