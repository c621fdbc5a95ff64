import { checkMetadata, METADATA_PAIRS } from '../catalogue/validate/text.ts';
import type { KeyWithProject, Limits } from '../store/projects.ts';
import { invalidRequest } from '../tasks/errors.ts';

/** What a key or a project may use, as an operator says it. Null takes back what was said before. */
export interface Allowance {
  readonly limits?: Limits | null;
  readonly defaultMetadata?: Readonly<Record<string, string>> | null;
}

const MODEL_GLOB = /^[\w.*:/@-]{1,128}$/;
const MOST_MODELS = 100;

/** The stored form of limits, without those that are not set; undefined if there are none. */
export function checkLimits(limits: Limits | null): Limits | undefined {
  const set = Object.entries(limits ?? {}).filter(([, value]) => value !== undefined);
  for (const [name, value] of set)
    if (!Number.isSafeInteger(value) || value < (name.endsWith('Micros') ? 0 : 1))
      throw invalidRequest(`limits.${name} must be a whole number of at least 1.`, 'limits');
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

/** The stored form of default metadata; undefined if there are none. */
export function checkDefaultMetadata(
  metadata: Readonly<Record<string, string>> | null,
): Readonly<Record<string, string>> | undefined {
  const checked = checkMetadata({ name: 'default_metadata', value: metadata ?? {} });
  return Object.keys(checked).length === 0 ? undefined : checked;
}

export function checkModels(models: readonly string[] | null): readonly string[] | undefined {
  if (models === null) return undefined;
  if (models.length === 0 || models.length > MOST_MODELS || !models.every((glob) => MODEL_GLOB.test(glob)))
    throw invalidRequest(
      `models must be 1 to ${MOST_MODELS} ids of models, in which * stands for any characters, such as "veo-*"; leave it out to allow all.`,
      'models',
    );
  return [...new Set(models)];
}

/** The metadata of a task: what the caller gave, and what its key and project add. Throws a 400 if that is too much. */
export function withDefaultMetadata(
  { defaultMetadata: ofKey, project: { defaultMetadata: ofProject } }: KeyWithProject,
  given: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  if (!ofKey && !ofProject) return given;
  // Entries, so that `__proto__` is an ordinary name.
  const all = new Map([ofProject, ofKey, given].flatMap((pairs) => Object.entries(pairs ?? {})));
  if (all.size > METADATA_PAIRS) {
    const added = all.size - Object.keys(given ?? {}).length;
    const advice =
      added > METADATA_PAIRS ? 'Ask an administrator of this gateway to set fewer defaults.' : 'Give fewer.';
    throw invalidRequest(
      `metadata would have ${all.size} pairs, and a task has ${METADATA_PAIRS} at most: ${added} come from the defaults of the API key and its project. ${advice}`,
      'metadata',
    );
  }
  return Object.fromEntries(all);
}
