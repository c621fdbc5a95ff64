// What the scripts here share: which simulators to drive, and how to tell the test which calls worked.
import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';

const { PACKAGES, TARGETS, IMAGE, REPORT } = process.env;
/** A PNG of 1280x720. */
export const image = readFileSync(IMAGE);

/** Runs the script for each simulator, with the client from the folder that has only clients. */
export async function drive(name, script) {
  const require = createRequire(join(PACKAGES, 'package.json'));
  const version = require('./package.json').dependencies[name].replace(/.*@/, '');
  report({ version });
  for (const target of JSON.parse(TARGETS)) {
    const { simulator, video: path } = target;
    await script(
      {
        ...target,
        worked: (call) => report({ simulator, call }),
        /** Stores the video of a response. */
        async store(response) {
          assert.equal(response.status, 200);
          writeFileSync(path, Buffer.from(await response.arrayBuffer()));
        },
      },
      require(name),
    );
  }
  // It would keep the process alive.
  process.stdin.destroy();
}

// Not to standard output, where clients write, too.
const report = (line) => appendFileSync(REPORT, `${JSON.stringify(line)}\n`);

/** Polls until the answer is a finished one. */
export async function until(finished, poll) {
  for (let count = 0; count < 600; count++) {
    const answer = await poll();
    if (finished(answer)) return answer;
    await sleep(50);
  }
  assert.fail('not finished');
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** The next webhook about this video that the test has received for this client. */
export async function webhook(video) {
  for (;;) {
    const { value, done } = await lines.next();
    assert.ok(!done, 'no webhook');
    if (value.includes(video)) return JSON.parse(value);
  }
}
