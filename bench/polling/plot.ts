export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly dashed?: boolean;
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** The axes that are linear. The others are logarithmic. */
  readonly linear?: 'x' | 'both';
  /** Where no line is: at the top on the right, unless said otherwise. */
  readonly legend?: 'bottom';
}

const [WIDTH, HEIGHT] = [640, 420];
const [LEFT, RIGHT, TOP, BOTTOM] = [70, 20, 40, 60];
const [LEGEND_WIDTH, LEGEND_LINE] = [200, 18];

/** A plot as an SVG document. */
export function svgOf({ title, x, y, lines, linear, legend }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const across = scale(
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
    linear !== undefined,
  );
  const up = scale(
    points.map((point) => point.y),
    HEIGHT - BOTTOM,
    TOP,
    linear === 'both',
  );
  const grid = [
    ...across.ticks.map((tick) => {
      const at = across.place(tick).toFixed(1);
      return `<path d="M${at} ${TOP}V${HEIGHT - BOTTOM}" class="grid"/><text x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${label(tick)}</text>`;
    }),
    ...up.ticks.map((tick) => {
      const at = up.place(tick).toFixed(1);
      return `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" class="grid"/><text x="${LEFT - 8}" y="${at}" dy="4" text-anchor="end">${label(tick)}</text>`;
    }),
  ];
  const legendTop = legend === 'bottom' ? HEIGHT - BOTTOM - 10 - lines.length * LEGEND_LINE : TOP + 8;
  const legendLeft = WIDTH - RIGHT - LEGEND_WIDTH - 8;
  const styles = lines.map(
    ({ colour, dashed }) => `stroke="${colour}" stroke-width="2"${dashed ? ' stroke-dasharray="6 4"' : ''}`,
  );
  const drawn = lines.map(({ points: of }, i) => {
    const path = of
      .map((point) => `${across.place(point.x).toFixed(1)} ${up.place(point.y).toFixed(1)}`)
      .join('L');
    return `<path d="M${path}" fill="none" ${styles[i]}/>`;
  });
  const names = lines.map(({ name }, i) => {
    const middle = legendTop + (i + 0.5) * LEGEND_LINE;
    return `<path d="M${legendLeft + 8} ${middle}h24" ${styles[i]}/><text x="${legendLeft + 40}" y="${middle}" dy="4">${escaped(name)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<title>${escaped(title)}</title>
<style>.grid{stroke:#ddd}</style><rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${LEFT}" y="24" font-size="15">${escaped(title)}</text>
${grid.join('\n')}
${drawn.join('\n')}
<rect x="${legendLeft}" y="${legendTop}" width="${LEGEND_WIDTH}" height="${lines.length * LEGEND_LINE}" fill="#fff" fill-opacity="0.85"/>
${names.join('\n')}
<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 14}" text-anchor="middle">${escaped(x)}</text>
<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${escaped(y)}</text>
</svg>
`;
}

function scale(values: readonly number[], from: number, to: number, linear: boolean) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const as = linear ? (value: number) => value : Math.log;
  const place = (value: number) => from + ((as(value) - as(low)) / (as(high) - as(low) || 1)) * (to - from);
  return { place, ticks: linear ? evenTicks(low, high) : decadeTicks(low, high) };
}

function evenTicks(low: number, high: number): number[] {
  const step = 10 ** Math.floor(Math.log10((high - low) / 2 || 1));
  const wide = (high - low) / step > 8 ? step * 5 : step;
  const first = Math.ceil(low / wide);
  return Array.from({ length: Math.floor(high / wide) - first + 1 }, (_, i) => (first + i) * wide);
}

/** 1, 2 and 5 of each power of ten. */
function decadeTicks(low: number, high: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++)
    for (const digit of [1, 2, 5]) ticks.push(digit * 10 ** power);
  const within = ticks.filter((tick) => tick >= low && tick <= high);
  return within.length > 10 ? within.filter((tick) => Math.log10(tick) % 1 === 0) : within;
}

const label = (value: number): string => String(Number(value.toPrecision(2)));

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
