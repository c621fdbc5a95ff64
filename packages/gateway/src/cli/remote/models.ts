import type { Model } from '@onetake/client';
import { nearest } from '../../catalogue/validate/nearest.ts';
import { invalidRequest } from '../../tasks/errors.ts';
import { connectionOf, type Given, openClient } from './connection.ts';
import { reporting } from './failure.ts';
import { printJson } from './output.ts';

interface Wishes extends Given {
  readonly all?: true | undefined;
  readonly json?: true | undefined;
}

/** `onetake models [ID]`: the models that can be used, or everything about one. */
export async function modelsCommand(id: string | undefined, { all, json, ...given }: Wishes): Promise<void> {
  const client = openClient(connectionOf(given, process.env));
  await reporting(async () => {
    const models = await client.models();
    if (id !== undefined) {
      const model = modelOf(id, models);
      if (json) printJson(model);
      else process.stdout.write(described(model));
      return;
    }
    const shown = models.filter(({ available }) => all || available);
    if (json) return printJson(shown);
    const width = Math.max(0, ...shown.map((model) => model.id.length));
    for (const model of shown) process.stdout.write(`${rowOf(model, width)}\n`);
    const more = models.length - shown.length;
    if (more > 0)
      process.stderr.write(
        `${more} more have no account at this gateway; onetake models --all shows them.\n`,
      );
  });
}

/** A model by its id or an alias. Throws if there is none, and says what was probably meant. */
export function modelOf(id: string, models: readonly Model[]): Model {
  const found = models.find((model) => model.id === id || model.aliases.includes(id));
  if (found) return found;
  const [guess] = nearest(
    id,
    models.flatMap((model) => [model.id, ...model.aliases]),
    1,
  );
  throw invalidRequest(
    `There is no model "${id}"${guess === undefined ? ' (see onetake models --all)' : `; did you mean ${guess}?`}`,
  );
}

function rowOf({ id, title, available, parameters, price }: Model, width: number): string {
  const seconds = rangeOf(parameters.duration);
  return [
    id.padEnd(width),
    title,
    ...(seconds === '' ? [] : [`${seconds} s`]),
    rangeOf(parameters.resolution),
    priceOf(price),
    available ? '' : 'no account',
  ]
    .filter((part) => part !== '')
    .join('  ');
}

function priceOf({ free, currency, rates }: Model['price']): string {
  if (free) return 'free';
  const prices = rates.map((rate) => rate.per_second);
  if (prices.length === 0) return '';
  const [least, most] = [Math.min(...prices), Math.max(...prices)];
  return `${least === most ? least : `${least} to ${most}`} ${currency} a second`;
}

function rangeOf(parameter: Model['parameters'][string] | undefined): string {
  if (!parameter) return '';
  const { allowed, minimum, maximum } = parameter;
  if (allowed) return allowed.join('/');
  return minimum === undefined || maximum === undefined ? '' : `${minimum} to ${maximum}`;
}

function described(model: Model): string {
  const {
    id,
    title,
    provider,
    available,
    parameters,
    sizes,
    rules,
    price,
    notes,
    typical_seconds: typical,
  } = model;
  const lines = [
    `${id}  ${title}, by ${provider}${available ? '' : '; this gateway has no account for it'}`,
    `Price    ${priceOf(price)}; ${price.billing}`,
    `Takes    ${typical.median} s, one in ten more than ${typical.p90} s`,
    ...(sizes.length > 0 ? [`Sizes    ${sizes.join(', ')}`] : []),
    'Parameters, each an option of onetake generate or --set NAME=VALUE',
    ...Object.entries(parameters).flatMap(([name, one]) => {
      // Those that every model takes.
      if (name === 'model' || name === 'prompt') return [];
      const values = rangeOf(one);
      const byDefault = one.default === undefined ? '' : `, by default ${one.default}`;
      const made = Object.entries(one.rounds_to ?? {}).map(([value, used]) => `${value} is made as ${used}`);
      const rounding = made.length > 0 ? `; ${made.join(', ')}` : '';
      return [`  ${name}: ${values === '' ? one.type : values}${byDefault}${rounding}`];
    }),
    ...rules.map((rule) => `Rule     ${rule}`),
    ...notes.map((note) => `Note     ${note}`),
  ];
  return `${lines.join('\n')}\n`;
}
