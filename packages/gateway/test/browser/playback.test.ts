import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findChromium } from '../../../../scripts/chromium.ts';
import { type Json, KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { serve } from '../support/servers/httpServer.ts';

const executablePath = findChromium();
if (!executablePath)
  console.log('No Chromium here: the browser tests are skipped. Set ONETAKE_CHROMIUM to its path.');

/** Screenshots for people; ignored by git. */
const SHOTS = '.tmp/screenshots';

describe.skipIf(!executablePath)('in Chromium', () => {
  let t: TestGateway;
  let task: Json;
  let browser: Browser;

  beforeAll(async () => {
    t = await startTestGateway();
    task = await t.finished({ prompt: 'a paper boat on a rainy street', duration: 2, generate_audio: true });
    browser = await chromium.launch({
      ...(executablePath ? { executablePath } : {}),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    await mkdir(SHOTS, { recursive: true });
  });
  afterAll(async () => {
    await browser?.close();
    await t?.end();
  });

  it('the video at `url` plays, seeks, and shows a picture', async () => {
    const page = await browser.newPage();
    // Only the video on a page of the gateway's own origin, so that its pixels may be read.
    await page.goto(`${t.gateway.address}/healthz`);
    await page.addScriptTag({ path: fileURLToPath(new URL('playVideo.js', import.meta.url)) });
    const state: Json = await page.evaluate(`playVideo(${JSON.stringify(task.url)})`);
    await writeFile(`${SHOTS}/playback.png`, await page.screenshot());

    expect(`${state.width}x${state.height}`).toBe(task.size);
    expect(state.duration).toBeCloseTo(2, 0);
    expect(state.played).toBeGreaterThan(1.5);
    expect(state.colours).toBeGreaterThan(50);
    await page.close();
  });

  it('the reference page shows the calls with their examples', async () => {
    const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(t.gateway.address) && !/^(data|blob):/.test(request.url()))
        foreign.push(request.url());
    });
    await page.goto(`${t.gateway.address}/docs/`);
    await page.getByText('Submit a video task').first().waitFor();
    await writeFile(`${SHOTS}/docs.png`, await page.screenshot());

    // What a new user does there: enter the key, and send the prepared request.
    await page
      .getByRole('button', { name: /Test Request/ })
      .first()
      .click();
    await page.getByPlaceholder('Token').last().fill(KEY);
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button', { name: /^Send/ }).first().click();
    const answer = await answered;
    expect([answer.status(), await answer.json()]).toMatchObject([200, { status: 'queued' }]);
    expect(foreign).toEqual([]);
    await page.close();
  });

  it('a page of another origin makes a video and reads its bytes, if the operator lists the origin', async () => {
    const pages = await serve((_request, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<title>app</title>'),
    );
    const own = await startTestGateway({ ONETAKE_CORS_ORIGINS: pages.origin });
    onTestFinished(() => own.end());
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(pages.origin);
    const made: Json = await page.evaluate(makeVideo, { address: own.gateway.address, key: KEY });
    expect(made).toMatchObject({
      taskIdHeader: made.task.task_id,
      task: { status: 'succeeded' },
      range: 'bytes 0-9/',
      head: 'ftyp',
      refused: 401,
    });
    await expect(
      page.evaluate(makeVideo, { address: t.gateway.address, key: KEY }),
      'without the setting',
    ).rejects.toThrow(/Failed to fetch/);
  });
});

/** Runs in the page. */
async function makeVideo({ address, key }: { address: string; key: string }): Promise<Json> {
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(`${address}/v1/video/generations?wait=60`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': 'once' },
    body: JSON.stringify({
      model: 'onetake-preview',
      prompt: 'a paper boat',
      duration: 1,
      resolution: '480p',
    }),
  });
  const task: Json = await answer.json();
  const part = await fetch(task.url, { headers: { range: 'bytes=0-9' } });
  return {
    task,
    taskIdHeader: answer.headers.get('onetake-task-id'),
    range: part.headers.get('content-range')?.replace(/\d+$/, ''),
    head: (await part.text()).slice(4, 8),
    refused: (await fetch(`${address}/v1/models`)).status,
  };
}
