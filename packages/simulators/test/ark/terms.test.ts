import { expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../../src/index.ts';

it.each([
  ['the price of its model', { model: 'doubao-seedance-1-0-pro-250528', resolution: '480p' }, 2.5],
  [
    'half of it in the flex tier',
    { model: 'doubao-seedance-1-0-pro-250528', resolution: '480p', service_tier: 'flex' },
    1.25,
  ],
  ['more at 1080p, where that is dearer', { model: 'doubao-seedance-2-5-260628', resolution: '1080p' }, 11.7],
])('a task is billed %s', async (_what, fields, usdPerMillion) => {
  const simulators = await startSimulators({ only: ['ark'], limits: false });
  onTestFinished(() => simulators.close());
  const response = await fetch(`${simulators.urls.ark}/api/v3/contents/generations/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${simulators.keys.ark}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...fields, content: [{ type: 'text', text: 'a boat' }], duration: 5 }),
  });
  expect(response.status).toBe(200);
  simulators.finishAll();
  const [bill] = simulators.ledger.jobs()[0]?.bills ?? [];
  expect(bill?.usd).toBeCloseTo(((bill?.quantity ?? 0) * usdPerMillion) / 1e6, 9);
});

it('an image of 30 MB or more is refused', async () => {
  const simulators = await startSimulators({ only: ['ark'], limits: false });
  onTestFinished(() => simulators.close());
  const url = `data:image/png;base64,${'A'.repeat(40 * 1024 * 1024)}`;
  const response = await fetch(`${simulators.urls.ark}/api/v3/contents/generations/tasks`, {
    method: 'POST',
    headers: { authorization: `Bearer ${simulators.keys.ark}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'doubao-seedance-2-0-260128',
      content: [{ type: 'image_url', image_url: { url } }],
    }),
  });
  expect(await response.json()).toMatchObject({ error: { code: 'InvalidParameter' } });
  expect(simulators.ledger.jobs()).toEqual([]);
});
