import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { CommonAccount, Environment, EnvironmentAccount, ProviderKind } from './definition.ts';

/** An account as configured: checked by its own kind, secrets read. */
export interface ConfiguredAccount {
  readonly id: string;
  readonly kind: ProviderKind<CommonAccount>;
  readonly account: CommonAccount;
}

interface Reading {
  /** `accounts` of onetake.yaml. */
  readonly file: unknown;
  readonly env: Environment;
  readonly kinds: readonly ProviderKind<CommonAccount>[];
  readonly readFile?: (path: string) => string;
}

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/**
 * The accounts of onetake.yaml, and for each provider that it names none of, those that plain environment variables
 * make. Everything wrong is told at once in `problems`.
 */
export function readAccounts({ file, env, kinds, readFile = readText }: Reading): {
  accounts: ConfiguredAccount[];
  problems: string[];
} {
  const problems: string[] = [];
  const accounts: ConfiguredAccount[] = [];
  const secret = secretType(env, readFile);

  function add(id: string, kind: ProviderKind<CommonAccount>, members: unknown, where: string): void {
    const parsed = kind.schema(secret).safeParse(members);
    if (parsed.success) accounts.push({ id, kind, account: parsed.data });
    else
      problems.push(
        ...parsed.error.issues.map((issue) => `${[where, ...issue.path].join('.')}: ${issue.message}`),
      );
  }

  const named = z.record(z.string(), z.record(z.string(), z.unknown())).safeParse(file ?? {});
  if (!named.success) problems.push('accounts: must be a mapping from names to accounts.');
  for (const [id, { provider, ...members }] of Object.entries(named.data ?? {})) {
    const where = `accounts.${id}`;
    const kind = kinds.find((candidate) => candidate.id === provider);
    if (!NAME.test(id)) problems.push(`${where}: a name may hold lower case letters, digits, - and _ only.`);
    if (kind) add(id, kind, members, where);
    else problems.push(`${where}.provider: must be one of ${kinds.map((known) => known.id).join(', ')}.`);
  }
  const ofFile = [...accounts];
  for (const kind of kinds) {
    const named = ofFile.filter((account) => account.kind === kind);
    for (const { id, members, replacedBy } of environmentAccounts(kind, env)) {
      if (named.some(({ account }) => replacedBy(account))) continue;
      const where = `the ${id} account of the environment`;
      if (!ofFile.some((account) => account.id === id)) add(id, kind, members, where);
      else problems.push(`${where}: accounts.${id} has this name already; give that account another one.`);
    }
  }
  return { accounts, problems };
}

/** Catalogue ids that an account serves alone, each with the upstream's name where the account has its own. */
export function modelsOf({ models }: CommonAccount): ReadonlyMap<string, string | undefined> | undefined {
  if (!models) return undefined;
  return Array.isArray(models)
    ? new Map(models.map((id: string) => [id, undefined]))
    : new Map(Object.entries(models));
}

function environmentAccounts(
  kind: ProviderKind<CommonAccount>,
  env: Environment,
): readonly EnvironmentAccount<CommonAccount>[] {
  const made = kind.fromEnvironment(env);
  if (made === undefined) return [];
  // An array's type guard does not narrow a readonly one.
  if (Array.isArray(made)) return made as readonly EnvironmentAccount<CommonAccount>[];
  return [{ id: kind.id, members: { ...made }, replacedBy: () => true }];
}

/** A secret is never written into the file itself, which is copied and shown around: it names where the secret is. */
function secretType(env: Environment, readFile: (path: string) => string): z.ZodType<string> {
  const place = z.union(
    [z.strictObject({ env: z.string().min(1) }), z.strictObject({ file: z.string().min(1) })],
    {
      error: 'must be {env: NAME} or {file: PATH}, never the secret itself',
    },
  );
  return place.transform((from, context) => {
    let value: string | undefined;
    try {
      value = 'env' in from ? env[from.env] : readFile(from.file);
    } catch (error) {
      context.addIssue(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return z.NEVER;
    }
    // A secret file made with an editor or `echo` ends with a line break that is not part of the secret.
    const trimmed = value?.trim();
    if (trimmed) return trimmed;
    context.addIssue(
      'env' in from ? `the environment variable ${from.env} is not set` : `${from.file} is empty`,
    );
    return z.NEVER;
  });
}

const readText = (path: string): string => readFileSync(path, 'utf8');
