/** The calls with which a round looks at a gateway past all clients. */
export interface Gateway {
  /** Makes a key for a project of its own. */
  newKey(project: string): Promise<string>;
  /** The tasks of the key's project. */
  tasks(key: string): Promise<readonly { readonly task_id: string; readonly status: string }[]>;
  /** Resolves when the task is being made upstream. */
  begun(key: string, taskId: string): Promise<void>;
  /** The video as it is stored. */
  content(key: string, taskId: string): Promise<Buffer>;
}

export function createGateway(address: () => string, adminKey: string): Gateway {
  async function call(path: string, key: string, body?: object, more: object = {}): Promise<Response> {
    const response = await fetch(new URL(path, address()), {
      method: body ? 'POST' : 'GET',
      headers: {
        authorization: `Bearer ${key}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...more,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!response.ok && response.status !== 304)
      throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }
  // biome-ignore lint/suspicious/noExplicitAny: responses of the public API, read field by field
  const bodyOf = (response: Response): Promise<any> => response.json();
  const json = async (path: string, key: string, body?: object) => bodyOf(await call(path, key, body));

  return {
    newKey: async (project) => (await json('/v1/admin/keys', adminKey, { name: project, project })).key,
    tasks: async (key) => (await json('/v1/video/generations', key)).data,
    async begun(key, taskId) {
      for (let etag = '""'; ; ) {
        // Held only while the answer is the one that is known.
        const path = `/v1/video/generations/${taskId}?wait=60&wait_for=change`;
        const response = await call(path, key, undefined, { 'if-none-match': etag });
        const { status } = response.status === 304 ? { status: 'queued' } : await bodyOf(response);
        if (status !== 'queued') return;
        etag = response.headers.get('etag') ?? etag;
      }
    },
    content: async (key, taskId) =>
      Buffer.from(await (await call(`/v1/video/generations/${taskId}/content`, key)).arrayBuffer()),
  };
}
