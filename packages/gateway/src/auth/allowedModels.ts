import type { KeyRow } from '../store/projects.ts';
import { OnetakeError } from '../tasks/errors.ts';

/** Whether an id is what a pattern says, in which `*` stands for any characters, or none. */
export function matchesGlob(glob: string, id: string): boolean {
  const [first = '', ...rest] = glob.split('*');
  const last = rest.pop();
  if (last === undefined) return id === glob;
  const end = id.length - last.length;
  if (!id.startsWith(first) || !id.endsWith(last) || first.length > end) return false;
  let at = first.length;
  for (const part of rest) {
    const found = id.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/** Whether a key may use a model. */
export const mayUse = ({ models }: Pick<KeyRow, 'models'>, model: string): boolean =>
  models === undefined || models.some((glob) => matchesGlob(glob, model));

/** Throws the 403 for a model that a key may not use. */
export function requireModel(key: KeyRow, model: string): void {
  if (mayUse(key, model)) return;
  const may = key.models?.map((glob) => `"${glob}"`).join(', ') ?? '';
  throw new OnetakeError(
    'model_not_allowed',
    403,
    `This API key may not use the model "${model}"; it may use ${may}. GET /v1/models lists them.`,
    { param: 'model' },
  );
}
