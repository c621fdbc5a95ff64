import { createCanvas, type SKRSContext2D } from '@napi-rs/canvas';
import { smoothstep } from '../easing.ts';
import { typeset } from './fonts.ts';

/** The most lines of the prompt. A longer prompt ends in an ellipsis. */
const MAX_LINES = 2;
/** Says that this is a preview, so that nobody takes it for a model's work. */
const MARK = 'ONETAKE PREVIEW · drawn, not generated';

/** Seconds until the caption is fully visible. */
const FADE_IN = 0.7;

/** The prompt in small type at the bottom, and above it a line that says that this is a preview. */
export function createCaption(
  frame: { readonly width: number; readonly height: number },
  prompt: string,
): (context: SKRSContext2D, time: number) => void {
  const { width, height } = frame;
  const unit = Math.sqrt(width * height) / 100;
  const size = Math.max(13, unit * 2.3);
  const markSize = Math.max(9, size * 0.56);
  const inset = Math.max(unit * 3.2, 12);
  const canvas = createCanvas(width, Math.ceil(size * 7));
  const context = canvas.getContext('2d');
  const { text, families } = typeset(prompt);
  const mark = typeset(MARK);

  // A soft shade behind the text keeps it legible over snow and sky without a box.
  const shade = context.createLinearGradient(0, 0, 0, canvas.height);
  shade.addColorStop(0, 'rgba(0,0,0,0)');
  shade.addColorStop(0.55, 'rgba(0,0,0,0.16)');
  shade.addColorStop(1, 'rgba(0,0,0,0.44)');
  context.fillStyle = shade;
  context.fillRect(0, 0, canvas.width, canvas.height);

  context.textBaseline = 'alphabetic';
  context.shadowColor = 'rgba(0,0,0,0.45)';
  context.shadowBlur = size * 0.35;
  context.font = `500 ${size}px ${families}`;
  const lines = breakLines(context, text, Math.min(width - 2 * inset, size * 34));
  context.fillStyle = 'rgba(255,255,255,0.94)';
  const bottom = canvas.height - inset;
  for (const [index, line] of lines.entries()) {
    context.fillText(line, inset, bottom - (lines.length - 1 - index) * size * 1.34);
  }
  context.font = `600 ${markSize}px ${mark.families}`;
  context.letterSpacing = `${markSize * 0.09}px`;
  context.fillStyle = 'rgba(255,255,255,0.72)';
  context.fillText(
    mark.text,
    inset,
    bottom - lines.length * size * 1.34 - (lines.length > 0 ? size * 0.08 : 0),
  );

  return (target, time) => {
    target.globalAlpha = smoothstep(-0.25, FADE_IN, time);
    target.drawImage(canvas, 0, height - canvas.height);
    target.globalAlpha = 1;
  };
}

/** Breaks lines between words, and between Chinese characters, which have no spaces. */
function breakLines(context: SKRSContext2D, text: string, width: number): string[] {
  const pieces =
    text.match(
      /[\p{Script=Han}\u3000-\u303f\uff00-\uffef]|[^\s\p{Script=Han}\u3000-\u303f\uff00-\uffef]+|\s+/gu,
    ) ?? [];
  const lines: string[] = [];
  let line = '';
  const fits = (candidate: string): boolean => context.measureText(candidate.trimEnd()).width <= width;
  for (const [index, piece] of pieces.entries()) {
    if (fits(line + piece)) {
      line += piece;
      continue;
    }
    if (lines.length === MAX_LINES - 1 || line.trim() === '') {
      return [...lines, cutOff(line === '' ? pieces.slice(index).join('') : line + piece, fits)];
    }
    lines.push(line.trim());
    line = piece.trimStart();
    if (!fits(line)) return [...lines, cutOff(line, fits)];
  }
  return line.trim() === '' ? lines : [...lines, line.trim()];
}

function cutOff(text: string, fits: (candidate: string) => boolean): string {
  const characters = [...text];
  while (characters.length > 0 && !fits(`${characters.join('').trimEnd()}…`)) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}
