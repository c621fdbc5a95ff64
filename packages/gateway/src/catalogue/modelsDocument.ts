import { MICROS } from '../tasks/money.ts';
import { PARAMETERS, wireName } from './fields.ts';
import type { Model, ParameterSpec } from './model.ts';
import { isFree } from './pricing.ts';
import { providerTitle } from './providerInfo.ts';
import { redirectNotes } from './upstream.ts';
import { ruleText } from './validate/rules.ts';

/** Generates docs/models.md, the reference page of the catalogue. */
export function modelsDocument(models: readonly Model[]): string {
  return [
    '# Models',
    '',
    'The built-in catalogue. `GET /v1/models` shows the same with the changes of your installation, and whether a model can be',
    'used there. The typical time is that from the submission of a job upstream to its end: half of the jobs take at most the first, nine of ten at most the second.',
    'Generated from `packages/gateway/src/catalogue/entries/` by `npm run docs`.',
    '',
    '| model | upstream | seconds | resolution | price a second | answers with | typical time (median, 90%) |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...models.map(overviewRow),
    ...models.flatMap(section),
    '',
  ].join('\n');
}

function overviewRow(model: Model): string {
  const { duration, resolution } = model.parameters;
  const cells = [
    `[\`${model.id}\`](#${anchor(model)})${model.lifecycle.state === 'retired' ? ' (retired)' : ''}`,
    `\`${model.upstreamModel}\``,
    valuesOf(duration),
    valuesOf(resolution),
    isFree(model) ? 'free' : priceSpan(model),
    model.delivery === 'url' ? '`url`' : 'download endpoint',
    `${model.typical.medianSeconds} s, ${model.typical.p90Seconds} s`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function section(model: Model): string[] {
  const { lifecycle } = model;
  const facts = [
    `Served by ${providerTitle(model.provider)} as ${upstreamNames(model)}.`,
    ...(model.aliases.length > 0
      ? [`Also known as ${model.aliases.map((id) => `\`${id}\``).join(', ')}.`]
      : []),
    `Prompt up to ${model.promptMaxLength} characters. Cancel upstream: ${
      { none: 'not possible', queued: 'while queued', running: 'at any time' }[model.cancel]
    }.`,
    ...(lifecycle.state === 'retired'
      ? [
          `Retired since ${lifecycle.since}: ${lifecycle.reason} Instead: ${lifecycle.alternatives.join(', ')}.`,
        ]
      : []),
    ...redirectNotes(model),
    ...model.notes,
  ];
  return [
    '',
    `## ${model.id}`,
    '',
    `${model.title}. ${facts.join(' ')}`,
    '',
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
    `Price: ${model.price.rates.map((rate) => rateText(rate, model.price.currency)).join('; ')}. ${model.price.billing}`,
  ];
}

function valuesOf(spec: ParameterSpec): string {
  switch (spec.kind) {
    case 'choice':
    case 'numbers':
      return spec.allowed.join(', ');
    case 'range':
      return `${spec.min} to ${spec.max}`;
    case 'flag':
      return spec.allowed.length === 2 ? 'true, false' : `only ${spec.allowed[0]}`;
    case 'text':
      return `text, up to ${spec.maxLength} characters`;
    case 'images':
      return `1 to ${spec.max} images`;
    case 'image':
      return 'an image';
    case 'url':
      return spec.of === 'own' ? 'a finished task of yours, by its id or link' : 'a URL';
  }
}

function roundings(spec: ParameterSpec): string {
  const rounded = 'roundsTo' in spec ? Object.entries(spec.roundsTo ?? {}) : [];
  if (spec.kind === 'text' && spec.appendToPrompt) return 'text appended to the prompt';
  return rounded.map(([from, to]) => `${from} as ${to}`).join(', ');
}

function rateText(rate: Model['price']['rates'][number], currency: string): string {
  const audio = { true: 'with audio', false: 'without audio' }[String(rate.generateAudio)];
  const what = [rate.size, rate.resolution, audio].filter((word) => word !== undefined);
  return `${what.length > 0 ? what.join(' ') : 'any'} ${rate.microsPerSecond / MICROS} ${currency}/s`;
}

function priceSpan({ price }: Model): string {
  const micros = price.rates.map((rate) => rate.microsPerSecond);
  const [least, most] = [Math.min(...micros), Math.max(...micros)].map((amount) =>
    (amount / MICROS).toFixed(3),
  );
  return `${least === most ? least : `${least} to ${most}`} ${price.currency}`;
}

function upstreamNames({ upstreamModel, upstreamModels, upstreamModelByRegion }: Model): string {
  const regions = Object.entries(upstreamModelByRegion).map(([region, name]) => `\`${name}\` in ${region}`);
  const particular = upstreamModels.map(
    ({ upstreamModel: name, when }) => `\`${name}\` with ${wireName(when.parameter)}`,
  );
  return [`\`${upstreamModel}\``, ...particular, ...regions].join(', ');
}

/** The anchor that GitHub generates for a heading, which has no dots. */
const anchor = ({ id }: Model): string => id.toLowerCase().replaceAll('.', '');
