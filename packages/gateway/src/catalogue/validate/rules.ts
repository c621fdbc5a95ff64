import { invalidRequest } from '../../tasks/errors.ts';
import type { VideoRequest } from '../../tasks/request.ts';
import { type Parameter, wireName } from '../fields.ts';
import type { ConditionSpec, Model, RuleSpec } from '../model.ts';
import type { KindOf } from '../references.ts';
import { list } from '../words.ts';

/** The parameters of a request that conditions refer to. Images may still be in the caller's form. */
export type Parametrised = { readonly [P in Exclude<Parameter, 'references'>]?: unknown } & Pick<
  VideoRequest,
  'duration'
> & { readonly references?: readonly KindOf[] };

type GivenSpec = Extract<ConditionSpec, { readonly given: boolean }>;

/** Whether a condition is true of a request. */
export function holds(condition: ConditionSpec, request: Parametrised): boolean {
  const value = request[condition.parameter];
  if ('given' in condition) return isGiven(condition, request) === condition.given;
  return condition.in.some((allowed) => allowed === value);
}

function isGiven({ parameter, type, role }: GivenSpec, request: Parametrised): boolean {
  if (type === undefined && role === undefined) return request[parameter] !== undefined;
  const references = request.references ?? [];
  return references.some((one) => isMeant({ type, role }, one));
}

/** Whether a condition on references of a type, with a role or without any, is about this one. */
export const isMeant = ({ type, role }: Pick<GivenSpec, 'type' | 'role'>, one: KindOf): boolean =>
  (type === undefined || one.type === type) && (role === undefined || (one.role ?? null) === role);

/** The conditions in a rule. */
export const conditionsOf = (rule: RuleSpec): readonly ConditionSpec[] =>
  'note' in rule ? [rule.when] : [rule.require, ...(rule.when ? [rule.when] : [])];

/** The model without rules about parameters that it does not accept. */
export const withoutIdleRules = (model: Model): Model => ({
  ...model,
  rules: model.rules.filter((rule) =>
    conditionsOf(rule).every(({ parameter }) => model.parameters[parameter] !== undefined),
  ),
});

/** Throws a 400 for the first rule of the model that the request breaks. */
export function checkRules(model: Model, request: Parametrised): void {
  for (const rule of model.rules) {
    if ('note' in rule || (rule.when && !holds(rule.when, request)) || holds(rule.require, request)) continue;
    const advice = rule.when ? '; change one of the two or choose another model.' : '.';
    throw invalidRequest(`${model.id}: ${ruleText(rule)}${advice}`, wireName(rule.require.parameter));
  }
}

/** The notes of the model's rules that apply to an accepted request. */
export function ruleNotes(model: Model, request: Parametrised): string[] {
  return model.rules.flatMap((rule) => ('note' in rule && holds(rule.when, request) ? [rule.note] : []));
}

/** A rule in plain English, for errors and for the documentation. */
export function ruleText(rule: RuleSpec): string {
  if ('note' in rule) return `when ${conditionText(rule.when)}: ${rule.note}`;
  const demand = `${subjectText(rule.require)} ${demandText(rule.require)}`;
  return rule.when ? `${demand} when ${conditionText(rule.when)}` : demand;
}

function demandText(condition: ConditionSpec): string {
  if ('given' in condition) return condition.given ? `${verb(condition)} required` : 'must be left out';
  return `must be ${list(condition.in, 'or')}`;
}

const verb = ({ parameter }: ConditionSpec): string => (parameter === 'references' ? 'are' : 'is');

/** `image`, `references`, `references of type video with role source`. */
function subjectText(condition: ConditionSpec): string {
  const { type, role } = 'given' in condition ? condition : {};
  return [
    wireName(condition.parameter),
    ...(type === undefined ? [] : [`of type ${type}`]),
    ...(role === undefined ? [] : [role === null ? 'without a role' : `with role ${role}`]),
  ].join(' ');
}

function conditionText(condition: ConditionSpec): string {
  const name = subjectText(condition);
  if ('given' in condition) return `${name} ${verb(condition)} ${condition.given ? 'given' : 'not given'}`;
  return `${name} is ${list(condition.in, 'or')}`;
}
