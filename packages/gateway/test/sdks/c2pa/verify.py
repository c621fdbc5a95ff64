"""Prints what the content credentials of an MP4 are worth: verify.py VIDEO."""

import json
import sys

import c2pa

with open(sys.argv[1], "rb") as video:
    print(json.loads(c2pa.Reader("video/mp4", video).json())["validation_state"])
