import { MICROS } from '../tasks/money.ts';
import { PARAMETERS, wireName } from './fields.ts';
import { imageLimitsText } from './imageLimits.ts';
import type { ImageLimits, Model, ParameterSpec, RateSpec, ReferencesSpec, SourceSpec } from './model.ts';
import { isFree } from './pricing.ts';
import { serviceTitle } from './providerInfo.ts';
import { kindText, limitsText } from './references.ts';
import { redirectNotes } from './upstream.ts';
import { ruleText } from './validate/rules.ts';

/** Generates docs/models.md, the reference page of the catalogue. */
export function modelsDocument(models: readonly Model[]): string {
  return [
    '# Models',
    '',
    'The built-in catalogue. `GET /v1/models` shows the same with the changes of your installation, and whether a model can be',
    'used there. Of several lines of a price table, the first one that fits applies. A task is held at the highest price of the services that may serve it,',
    'and charged at that of the service that did. A date beside a source is the day on which the catalogue was last compared with it.',
    'The typical time is that from the submission of a job upstream to its end: half of the jobs take at most the first, nine of ten at most the second.',
    '',
    'An image that breaks the limits of its model is refused before the task is accepted. With `image_fit: "cover"` it is scaled and its edges are cut off instead, with `"contain"` it',
    'is shown whole between black bars; both also change the format and the quality if they must, and the notes of the answer say what was done.',
    'An image that fits is sent as given. Where no limits are stated, none are known, and the provider decides.',
    '',
    'Others can be added in `onetake.yaml`: [models of your own](models-of-your-own.md).',
    '',
    'Generated from `packages/gateway/src/catalogue/entries/` and `packages/gateway/src/providers/declared/files/` by `npm run docs`.',
    '',
    '| model | upstream | served by | seconds | resolution | price a second | answers with | typical time (median, 90%) |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...models.map(overviewRow),
    ...models.flatMap(section),
    '',
  ].join('\n');
}

function overviewRow(model: Model): string {
  const { duration, resolution } = model.parameters;
  const cells = [
    `[\`${model.id}\`](#${anchor(model)})`,
    `\`${model.upstreamModel}\``,
    served(model),
    valuesOf(duration),
    valuesOf(resolution),
    isFree(model) ? 'free' : priceSpan(model),
    model.delivery === 'url' ? '`url`' : 'download endpoint',
    `${model.typical.medianSeconds} s, ${model.typical.p90Seconds} s`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function section(model: Model): string[] {
  const facts = [
    `Served by ${model.providerTitle} as ${upstreamNames(model)}.`,
    ...(model.aliases.length > 0
      ? [`Also known as ${model.aliases.map((id) => `\`${id}\``).join(', ')}.`]
      : []),
    `Prompt up to ${model.promptMaxLength} characters. Cancel upstream: ${
      { none: 'not possible', queued: 'while queued', running: 'at any time' }[model.cancel]
    }.`,
    ...redirectNotes(model),
    ...model.notes,
  ];
  return [
    '',
    `## ${model.id}`,
    '',
    `${model.title}. ${facts.join(' ')}`,
    '',
    ...serviceTable(model),
    '| parameter | allowed | default | sent upstream as |',
    '| --- | --- | --- | --- |',
    ...PARAMETERS.flatMap((parameter) => {
      const spec = model.parameters[parameter];
      if (!spec) return [];
      const fallback = 'default' in spec && spec.default !== undefined ? `\`${spec.default}\`` : '';
      return [`| \`${wireName(parameter)}\` | ${valuesOf(spec)} | ${fallback} | ${roundings(spec)} |`];
    }),
    ...(model.rules.length > 0 ? ['', ...model.rules.map((rule) => `- ${ruleText(rule)}`)] : []),
    '',
    ...priceTable(model),
  ];
}

/** Where the model is served, and until when. */
const served = ({ provider, providerTitle, services }: Model): string =>
  Object.entries(services)
    .map(([id, { end }]) => `${serviceTitle(provider, id)}${end ? ` until ${end.date}` : ''}`)
    .join(', ') || providerTitle;

function serviceTable({ provider, services }: Model): string[] {
  const rows = Object.entries(services).map(([id, { end, source }]) => {
    const availability = end
      ? `until ${end.date}: ${end.reason} Instead: ${end.successors.map((name) => `\`${name}\``).join(', ')}`
      : 'yes';
    return `| ${serviceTitle(provider, id)} | ${availability} | ${source ? sourceText(source) : ''} |`;
  });
  return rows.length === 0 ? [] : ['| service | has it | source |', '| --- | --- | --- |', ...rows, ''];
}

const sourceText = ({ url, checked }: SourceSpec): string => `[${new URL(url).hostname}](${url}), ${checked}`;

function valuesOf(spec: ParameterSpec): string {
  switch (spec.kind) {
    case 'choice':
      return spec.allowed.join(', ');
    case 'numbers':
      return `${spec.allowed.join(', ')}${autoText(spec)}`;
    case 'range':
      return `${spec.min} to ${spec.max}${autoText(spec)}`;
    case 'flag':
      return spec.allowed.length === 2 ? 'true, false' : `only ${spec.allowed[0]}`;
    case 'text':
      return `text, up to ${spec.maxLength} characters`;
    case 'references':
      return referencesText(spec);
    case 'image':
      return `an image${limited(spec.limits)}`;
    case 'url':
      return spec.of === 'own' ? 'a finished task of yours, by its id or link' : 'a URL';
  }
}

const limited = (limits: ImageLimits | undefined): string =>
  limits ? `: ${imageLimitsText(limits)} (${linkTo(limits.source)})` : '';

const linkTo = ({ url, checked }: SourceSpec): string => `[source](${url}), ${checked}`;

const autoText = (spec: object): string => ('auto' in spec ? ', or -1: the model decides' : '');

const referencesText = ({ takes, max }: ReferencesSpec): string =>
  [
    ...takes.map((kind) => {
      const limits = limitsText(kind);
      const source = kind.limits?.source ? `; ${linkTo(kind.limits.source)}` : '';
      return `up to ${kind.max} ${kindText(kind, kind.max)}${limits === '' ? '' : ` (${limits}${source})`}`;
    }),
    ...(max === undefined ? [] : [`${max} together`]),
  ].join('; ');

function roundings(spec: ParameterSpec): string {
  const rounded = 'roundsTo' in spec ? Object.entries(spec.roundsTo ?? {}) : [];
  if ('appendToPrompt' in spec && spec.appendToPrompt) return 'text appended to the prompt';
  return rounded.map(([from, to]) => `${from} as ${to}`).join(', ');
}

function priceTable({ provider, price }: Model): string[] {
  const { currency, rates, images, videos, billing, sources } = price;
  const rest = rates.length > 1 ? 'any other' : 'any';
  /** Columns that say nothing are left out. */
  const columns: readonly (readonly [title: string, cell: (rate: RateSpec) => string | number])[] = [
    ...(rates.some(({ service }) => service !== undefined)
      ? [['service', ({ service }: RateSpec) => (service ? serviceTitle(provider, service) : rest)] as const]
      : []),
    ['format', (rate) => formatText(rate) || rest],
    [`${currency} a second`, ({ microsPerSecond }) => microsPerSecond / MICROS],
    ...(rates.some(({ microsPerVideo = 0 }) => microsPerVideo > 0)
      ? [[`and ${currency} a video`, ({ microsPerVideo = 0 }: RateSpec) => microsPerVideo / MICROS] as const]
      : []),
  ];
  const row = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  const after = images && images.free > 0 ? ` after the first ${images.free}` : '';
  return [
    row(columns.map(([title]) => title)),
    row(columns.map(() => '---')),
    ...rates.map((rate) => row(columns.map(([, cell]) => cell(rate)))),
    '',
    [
      billing,
      ...(images ? [`Each input image${after} costs ${images.microsEach / MICROS} ${currency} more.`] : []),
      ...(videos ? [videosText(videos)] : []),
      ...(sources.length > 0 ? [`Source: ${sources.map(sourceText).join('; ')}.`] : []),
    ].join(' '),
  ];
}

function videosText({ most, leastOfResult }: NonNullable<Model['price']['videos']>): string {
  const limit = most === undefined ? '' : `, ${most} s of them at most`;
  const least =
    leastOfResult === undefined
      ? ''
      : `, at least as many as ${Math.round(leastOfResult * 100)}% of those of the result, rounded up`;
  return `Seconds of reference videos cost as much as those of the result${limit}${least}.`;
}

function formatText({ size, resolution, generateAudio, withVideo }: RateSpec): string {
  const audio = generateAudio === undefined ? undefined : `${generateAudio ? 'with' : 'without'} audio`;
  const video = withVideo === undefined ? undefined : `${withVideo ? 'with' : 'without'} a reference video`;
  return [size, resolution, audio, video].filter((word) => word !== undefined).join(' ');
}

function priceSpan({ price }: Model): string {
  const micros = price.rates.map((rate) => rate.microsPerSecond);
  const [least, most] = [Math.min(...micros), Math.max(...micros)].map((amount) =>
    (amount / MICROS).toFixed(3),
  );
  return `${least === most ? least : `${least} to ${most}`} ${price.currency}`;
}

function upstreamNames({ provider, upstreamModel, upstreamModels, services }: Model): string {
  const others = Object.entries(services).flatMap(([id, { upstreamModel: name }]) =>
    name === undefined ? [] : [`\`${name}\` at ${serviceTitle(provider, id)}`],
  );
  const particular = upstreamModels.map(
    ({ upstreamModel: name, when }) => `\`${name}\` with ${wireName(when.parameter)}`,
  );
  return [`\`${upstreamModel}\``, ...particular, ...others].join(', ');
}

/** The anchor that GitHub generates for a heading, which has no dots. */
const anchor = ({ id }: Model): string => id.toLowerCase().replaceAll('.', '');
