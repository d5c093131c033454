"""Models: sentence encoders, heads, and what is made of texts with them.

The rule that it guards: what runs here tells nobody of it. ONNX Runtime (from 1.31) and the hub's
client send their makers what they are used for, unless these are set before they are imported.
"""

import os

for _name in ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ.setdefault(_name, "1")
