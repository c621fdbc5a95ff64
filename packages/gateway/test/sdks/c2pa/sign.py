"""Signs an MP4 with content credentials: sign.py VIDEO OUT CERTIFICATES KEY."""

import json
import sys

import c2pa

video, out, certificates, key = sys.argv[1:]
manifest = {
    "claim_generator_info": [{"name": "test", "version": "1"}],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
                    }
                ]
            },
        }
    ],
}
with open(certificates, "rb") as certificates_file, open(key, "rb") as key_file:
    info = c2pa.C2paSignerInfo("es256", certificates_file.read(), key_file.read(), None)
with open(video, "rb") as source, open(out, "w+b") as signed:
    c2pa.Builder(json.dumps(manifest)).sign(c2pa.Signer.from_info(info), "video/mp4", source, signed)
