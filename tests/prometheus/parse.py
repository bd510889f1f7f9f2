"""Parses bodies with Prometheus' own parsers for Python, the one for OpenMetrics a strict one.

Each line of the input is a body as JSON; each line of the output is its samples, or the complaint.
"""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

for line in sys.stdin:
    wish = json.loads(line)
    try:
        families = (openmetrics if wish["is_open"] else text)(wish["body"])
        samples = [[s.name, s.labels, repr(float(s.value))] for f in families for s in f.samples]
        print(json.dumps({"samples": samples}), flush=True)
    except Exception as error:
        print(json.dumps({"error": repr(error)}), flush=True)
