import { PARAMETERS, wireName } from '../fields.ts';
import type { ConditionSpec, ImageLimits, Model, ParameterSpec, ReferencesSpec } from '../model.ts';
import { lineAt } from '../pricing.ts';
import { hasProtocol, reportsTokens, servicesOf, takesAnyInput } from '../providerInfo.ts';
import { kindText } from '../references.ts';
import { shapesOf, sizeText } from '../sizes.ts';
import { type UpstreamParameters, upstreamParameters } from '../upstream.ts';
import { list } from '../words.ts';
import { conditionsOf, isMeant } from './rules.ts';

/** Contradictions between the members of an entry, one sentence per problem. The members are valid by themselves. */
export function contradictions(model: Model): string[] {
  return [
    ...PARAMETERS.flatMap((parameter) => {
      const spec = model.parameters[parameter];
      return spec ? specProblems(spec).map((problem) => `parameters.${parameter}: ${problem}`) : [];
    }),
    ...inputProblems(model),
    ...protocolProblems(model),
    ...serviceProblems(model),
    ...ruleProblems(model),
    ...priceProblems(model),
    ...(model.typical.p90Seconds < model.typical.medianSeconds
      ? ['typical: p90Seconds is less than medianSeconds']
      : []),
  ];
}

function specProblems(spec: ParameterSpec): string[] {
  if (spec.kind === 'references') return referenceProblems(spec);
  if (spec.kind === 'range') {
    if (spec.min > spec.max) return ['min is more than max'];
    const inside = spec.default === undefined || (spec.default >= spec.min && spec.default <= spec.max);
    return inside ? [] : [`the default ${spec.default} is outside ${spec.min} to ${spec.max}`];
  }
  if (spec.kind === 'image') return limitProblems(spec.limits);
  if (spec.kind === 'url' && spec.of === 'any') {
    const idle = [...(spec.keeps.length > 0 ? ['keeps'] : []), ...(spec.extendsWith ? ['extendsWith'] : [])];
    return idle.map((member) => `${member}: only with of: own; remove it`);
  }
  if (!('allowed' in spec)) return [];
  // Widened, because the checks below are the same for all types of values.
  const allowed: readonly unknown[] = spec.allowed;
  const roundsTo = 'roundsTo' in spec ? Object.entries(spec.roundsTo ?? {}) : [];
  return [
    ...('default' in spec && spec.default !== undefined && !allowed.includes(spec.default)
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

function referenceProblems({ takes, max }: ReferencesSpec): string[] {
  return [
    ...takes.flatMap((kind, index) => [
      ...(takes.findIndex(({ type, role }) => type === kind.type && role === kind.role) < index
        ? [`takes.${index}: ${kindText(kind, 2)} were there before`]
        : []),
      ...(max !== undefined && kind.max > max
        ? [`takes.${index}: max is more than that of all references together`]
        : []),
    ]),
  ];
}

function limitProblems(limits: ImageLimits | undefined): string[] {
  const { minSide = 1, maxSide = minSide, minRatio = 1, maxRatio = minRatio } = limits ?? {};
  return [
    ...(minSide > maxSide ? ['limits: minSide is more than maxSide'] : []),
    ...(minRatio > maxRatio ? ['limits: minRatio is more than maxRatio'] : []),
  ];
}

function inputProblems({ inputs, parameters, provider }: Model): string[] {
  const given = PARAMETERS.filter((parameter) => inputs[parameter] !== undefined);
  if (given.length > 0 && !takesAnyInput(provider)) {
    return [`inputs: all models of ${provider} have the same inputs; remove it`];
  }
  return given.flatMap((parameter) => {
    const input = inputs[parameter];
    const spec = parameters[parameter];
    if (!spec) return [`inputs.${parameter}: the model does not take it`];
    if (input === false) {
      const isFixed = 'allowed' in spec && spec.allowed.length === 1;
      return isFixed ? [] : [`inputs.${parameter}: a parameter with a choice of values must be sent`];
    }
    return input?.form !== undefined && parameter !== 'duration'
      ? [`inputs.${parameter}.form: only duration has one`]
      : [];
  });
}

function protocolProblems({ protocol, provider }: Model): string[] {
  if (protocol === undefined || hasProtocol(provider, protocol)) return [];
  return [`protocol: ${provider} has no ${protocol}; remove it`];
}

/** A model of a service that there is not would never be served. Of providers that operators add no services are known. */
function serviceProblems({ services, provider }: Model): string[] {
  const known = Object.keys(servicesOf(provider));
  if (known.length === 0) return [];
  return Object.keys(services)
    .filter((name) => !known.includes(name))
    .map((name) => `services.${name}: ${provider} has no such service; there may be ${list(known, 'and')}`);
}

/** A rule about references of a kind that the model does not take would always or never hold. */
function kindProblems({ parameters }: Model, conditions: readonly ConditionSpec[]): string[] {
  return conditions.flatMap((condition) => {
    const { type, role } = 'given' in condition ? condition : {};
    if (type === undefined && role === undefined) return [];
    const fits = parameters.references?.takes.some((kind) => isMeant({ type, role }, kind));
    return fits
      ? []
      : [`a rule speaks of references that the model does not take: ${type ?? ''} ${role ?? ''}`];
  });
}

function ruleProblems(model: Model): string[] {
  const conditions: ConditionSpec[] = [
    ...model.rules.flatMap(conditionsOf),
    ...model.upstreamModels.map(({ when }) => when),
  ];
  return [
    ...conditions
      .filter(({ parameter }) => !model.parameters[parameter])
      .map(({ parameter }) => `a rule speaks of ${wireName(parameter)}, which the model does not take`),
    ...kindProblems(model, conditions),
  ];
}

function priceProblems(model: Model): string[] {
  const gaps = formatsOf(model).flatMap(({ sent, service, withVideo }) => {
    if (lineAt(model, sent, service, withVideo)) return [];
    const place = service === undefined ? '' : `, at ${service}`;
    const audio = sent.generateAudio ?? 'not chosen';
    const video = withVideo ? ', with a reference video' : '';
    return [
      `price.rates: nothing matches ${sent.resolution}, ${sizeText(sent)}, audio ${audio}${video}${place}`,
    ];
  });
  const unbounded = videoKinds(model).some(({ limits }) => limits?.maxSeconds === undefined);
  // What is held before a video is measured must cover it.
  return model.price.videos && unbounded
    ? [...gaps, 'price.videos: reference videos that are billed need limits.maxSeconds']
    : gaps;
}

const videoKinds = ({ parameters }: Model) =>
  (parameters.references?.takes ?? []).filter(({ type }) => type === 'video');

/**
 * Prices that never apply: lines of the table, because earlier ones do, or the model has no such format or service; and those of what it does
 * not take, or its provider does not report.
 */
export function idlePrices(model: Model): string[] {
  const { provider, parameters, price } = model;
  const used = new Set(
    formatsOf(model).map(({ sent, service, withVideo }) => lineAt(model, sent, service, withVideo)),
  );
  const takesImages =
    parameters.image || parameters.lastFrame || parameters.references?.takes.some(isImage) === true;
  return [
    ...price.rates.flatMap((line, index) => [
      ...(used.has(line) ? [] : [`price.rates.${index}: never applies`]),
      ...(line.microsPerToken === undefined || reportsTokens(provider)
        ? []
        : [`price.rates.${index}.microsPerToken: ${provider} reports no tokens; remove it`]),
    ]),
    ...(price.images && !takesImages ? ['price.images: the model takes no images; remove it'] : []),
    ...(price.videos && videoKinds(model).length === 0
      ? ['price.videos: the model takes no videos among its references; remove it']
      : []),
  ];
}

const isImage = ({ type }: { readonly type: string }): boolean => type === 'image';

/** Everything that the price table is asked for. */
function formatsOf(
  model: Model,
): { sent: UpstreamParameters; service: string | undefined; withVideo: boolean }[] {
  const { duration, generateAudio } = model.parameters;
  const audio = generateAudio?.allowed ?? [undefined];
  const named = Object.keys(model.services);
  const services = named.length > 0 ? named : [undefined];
  const videos = videoKinds(model).length > 0 ? [false, true] : [false];
  return shapesOf(model).flatMap((shape) =>
    audio.flatMap((withAudio) => {
      const sent = upstreamParameters(model, {
        ...shape,
        duration: duration.default,
        ...(withAudio === undefined ? {} : { generateAudio: withAudio }),
      });
      return services.flatMap((service) => videos.map((withVideo) => ({ sent, service, withVideo })));
    }),
  );
}
