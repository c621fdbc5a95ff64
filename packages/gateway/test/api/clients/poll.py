# The polling example of the reference page, with the base URL and the key taken from the command line.
import sys
import time

import requests

BASE_URL = sys.argv[1]


def poll_task_status(task_id, api_key, max_wait_time=300):
    """Poll task status until completion"""
    url = f"{BASE_URL}/v1/video/generations/{task_id}"
    headers = {"Authorization": f"Bearer {api_key}"}

    start_time = time.time()
    while True:
        response = requests.get(url, headers=headers)
        data = response.json()
        status = data.get("status")

        print(f"Current status: {status}")

        if status == "succeeded":
            video_url = data.get("url")
            print(f"✅ Task completed! Video URL: {video_url}")
            return video_url
        elif status == "failed":
            error_msg = data.get("error", {}).get("message", "Unknown error")
            print(f"❌ Task failed: {error_msg}")
            return None

        # Check timeout
        if time.time() - start_time > max_wait_time:
            print("⏰ Timeout")
            return None

        # Wait 5 seconds before next query
        time.sleep(5)


sys.exit(0 if poll_task_status(sys.argv[2], sys.argv[3]) else 1)
