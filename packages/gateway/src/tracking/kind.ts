import { z } from 'zod';

/** Jobs that take about as long as each other. */
export interface Kind {
  readonly account: string;
  /** The upstream's name of the model. */
  readonly model: string;
  readonly resolution?: string | undefined;
  readonly durationSeconds?: number | undefined;
}

const Key = z.tuple([z.string(), z.string(), z.string(), z.number()]);

/** The name of a kind, under which it is also stored. */
export const keyOf = ({ account, model, resolution = '', durationSeconds = 0 }: Kind): string =>
  JSON.stringify([account, model, resolution, durationSeconds]);

/** The kind of this name; undefined if it is none. */
export function kindOfKey(key: string): Kind | undefined {
  try {
    const [account, model, resolution, durationSeconds] = Key.parse(JSON.parse(key));
    return {
      account,
      model,
      ...(resolution === '' ? {} : { resolution }),
      ...(durationSeconds === 0 ? {} : { durationSeconds }),
    };
  } catch {
    return undefined;
  }
}
