// The polling example of the reference page, with the base URL and the key taken from the command line.
const [, , BASE_URL, TASK_ID, API_KEY] = process.argv;

async function pollTaskStatus(taskId, apiKey, maxWaitTime = 300000) {
  const url = `${BASE_URL}/v1/video/generations/${taskId}`;
  const headers = { Authorization: `Bearer ${apiKey}` };

  const startTime = Date.now();

  while (true) {
    const response = await fetch(url, { headers });
    const data = await response.json();
    const status = data.status;

    console.log(`Current status: ${status}`);

    if (status === 'succeeded') {
      const videoUrl = data.url;
      console.log(`✅ Task completed! Video URL: ${videoUrl}`);
      return videoUrl;
    } else if (status === 'failed') {
      const errorMsg = data.error?.message || 'Unknown error';
      console.error(`❌ Task failed: ${errorMsg}`);
      throw new Error(errorMsg);
    }

    // Check timeout
    if (Date.now() - startTime > maxWaitTime) {
      throw new Error('Timeout');
    }

    // Wait 5 seconds before next query
    await new Promise((resolve) => setTimeout(resolve, 5000));
  }
}

await pollTaskStatus(TASK_ID, API_KEY);
