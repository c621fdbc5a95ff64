import { accessSync, constants } from 'node:fs';
import path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const ELSEWHERE = [
  '/usr/bin/chromium',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/**
 * The Chromium for browser tests, or undefined if there is none, so that they are skipped:
 * `ONETAKE_CHROMIUM` if set, otherwise the first one in PATH and the usual places. Throws if `ONETAKE_CHROMIUM` is no
 * program, and in CI if there is none, because there a skipped browser test would go unnoticed.
 */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const chosen = env.ONETAKE_CHROMIUM;
  if (chosen) {
    if (isProgram(chosen)) return chosen;
    throw new Error(`ONETAKE_CHROMIUM is ${chosen}, which is no program: set it to Chromium's executable.`);
  }
  const folders = (env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const inPath = folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name)));
  const found = [...inPath, ...ELSEWHERE].find(isProgram);
  if (!found && env.CI)
    throw new Error('CI runs the browser tests: install Chromium, or set ONETAKE_CHROMIUM.');
  return found;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
