import { PARAMETERS, wireName } from '../fields.ts';
import type { ConditionSpec, Model, ParameterSpec } from '../model.ts';
import { microsPerSecond } from '../pricing.ts';
import { shapesOf, sizeText } from '../sizes.ts';
import { upstreamParameters } from '../upstream.ts';
import { conditionsOf } from './rules.ts';

/** Contradictions between the members of an entry, one sentence per problem. The members are valid by themselves. */
export function contradictions(model: Model): string[] {
  return [
    ...PARAMETERS.flatMap((parameter) => {
      const spec = model.parameters[parameter];
      return spec ? specProblems(spec).map((problem) => `parameters.${parameter}: ${problem}`) : [];
    }),
    ...ruleProblems(model),
    ...priceProblems(model),
    ...(model.typical.p90Seconds < model.typical.medianSeconds
      ? ['typical: p90Seconds is less than medianSeconds']
      : []),
  ];
}

function specProblems(spec: ParameterSpec): string[] {
  if (spec.kind === 'range') {
    if (spec.min > spec.max) return ['min is more than max'];
    const inside = spec.default === undefined || (spec.default >= spec.min && spec.default <= spec.max);
    return inside ? [] : [`the default ${spec.default} is outside ${spec.min} to ${spec.max}`];
  }
  if (!('allowed' in spec)) return [];
  // Widened, because the checks below are the same for all types of values.
  const allowed: readonly unknown[] = spec.allowed;
  const roundsTo = 'roundsTo' in spec ? Object.entries(spec.roundsTo ?? {}) : [];
  return [
    ...('default' in spec && !allowed.includes(spec.default)
      ? [`the default ${spec.default} is not allowed`]
      : []),
    ...roundsTo.flatMap(([from, to]) => [
      ...(allowed.map(String).includes(from)
        ? []
        : [`roundsTo: ${from} is not allowed, so nothing rounds it`]),
      ...(allowed.includes(to) ? [] : [`roundsTo: ${from} goes to ${to}, which is not allowed`]),
      ...(roundsTo.some(([other]) => other === String(to))
        ? [`roundsTo: ${from} goes to ${to}, which is rounded itself`]
        : []),
    ]),
  ];
}

function ruleProblems(model: Model): string[] {
  const conditions: ConditionSpec[] = [
    ...model.rules.flatMap(conditionsOf),
    ...model.upstreamModels.map(({ when }) => when),
  ];
  return conditions
    .filter(({ parameter }) => !model.parameters[parameter])
    .map(({ parameter }) => `a rule speaks of ${wireName(parameter)}, which the model does not take`);
}

function priceProblems(model: Model): string[] {
  const { duration, generateAudio } = model.parameters;
  const audio = generateAudio?.allowed ?? [undefined];
  return shapesOf(model).flatMap((shape) =>
    audio.flatMap((withAudio) => {
      const asked = {
        ...shape,
        duration: duration.default,
        ...(withAudio === undefined ? {} : { generateAudio: withAudio }),
      };
      const sent = upstreamParameters(model, asked);
      if (microsPerSecond(model, sent) !== undefined) return [];
      return [
        `price.rates: nothing matches ${sent.resolution}, ${sizeText(sent)}, audio ${withAudio ?? 'not chosen'}`,
      ];
    }),
  );
}
