/** The documented flags, long and short, and the field that each stands for. */
const FLAGS: Readonly<Record<string, string>> = {
  resolution: 'resolution',
  rs: 'resolution',
  ratio: 'ratio',
  rt: 'ratio',
  duration: 'duration',
  dur: 'duration',
  frames: 'frames',
  seed: 'seed',
  camerafixed: 'camera_fixed',
  cf: 'camera_fixed',
  watermark: 'watermark',
  wm: 'watermark',
};

/** A row of flags at the very end of a text. */
const ROW = /(?:(?:^|\s)--[a-z_]+(?:\s+(?!--)\S+)?)+\s*$/i;

/**
 * The older way to give parameters: `--rs 720p --rt 16:9 --dur 5 --seed 11 --cf false --wm true` behind the text. "Weakly
 * validated": an unknown flag is ignored.
 */
export function flagsOf(text: string): Readonly<Record<string, unknown>> {
  const fields: Record<string, unknown> = {};
  for (const [, flag = '', value = 'true'] of (ROW.exec(text)?.[0] ?? '').matchAll(
    /--([a-z_]+)(?:\s+(?!--)(\S+))?/gi,
  )) {
    const field = FLAGS[flag.toLowerCase()];
    if (field !== undefined) fields[field] = valueIn(value);
  }
  return fields;
}

function valueIn(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+$/.test(text) ? Number(text) : text;
}
