import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { npmPackages } from '../../../../scripts/packages.ts';
import { taskClient, WAYS } from '../mcp/clients.ts';
import { QUICK, startTestGateway } from '../support/gateway.ts';
import { available } from './environments.ts';

const REQUESTER = 'node_modules/@modelcontextprotocol/ext-tasks/dist/client/index.js';

it('the requester of the tasks extension makes a video, and resumes it in another session', async ({
  skip,
}) => {
  const here = fileURLToPath(new URL('mcp', import.meta.url));
  const packages = available(await npmPackages(here).catch((error: Error) => error), skip);
  const { createTaskSessionFromClient } = await import(join(packages, REQUESTER));
  const t = await startTestGateway();
  onTestFinished(() => t.end());

  const session = async (way: keyof typeof WAYS) => {
    const { client, send } = await taskClient(WAYS[way](t));
    const opened = createTaskSessionFromClient(client, {
      endpointId: 'onetake',
      rawDispatch: async ({ method, params }: { method: string; params: object }) => {
        const { result, error } = await send(method, params);
        return error ? { kind: 'error', error } : { kind: 'result', result };
      },
      v2RequestFraming: {
        protocolVersion: '2026-07-28',
        clientInfo: { name: 'test', version: '1.0.0' },
        clientCapabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
      },
    });
    onTestFinished(() => opened.close());
    return opened;
  };

  const began = await (await session('/mcp')).callTool('generate_video', QUICK);
  expect(began.kind).toBe('task');
  const reference = began.serializeReference();
  expect(reference).toMatchObject({ generation: 'v2', taskId: expect.stringMatching(/^video_/) });
  await began.detach();

  const resumed = await (await session('onetake mcp')).resumeTask(reference);
  const { outcome } = await resumed.settle();
  expect(outcome).toMatchObject({
    status: 'completed',
    result: { structuredContent: { task_id: reference.taskId, status: 'succeeded' } },
  });

  const long = { ...QUICK, duration: 20, resolution: '1080p' };
  const cancelled = await (await session('/mcp')).callTool('generate_video', long);
  await cancelled.cancel();
  expect((await cancelled.settle()).outcome).toMatchObject({ status: 'cancelled' });
});
