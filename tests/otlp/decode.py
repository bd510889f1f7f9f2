"""Decodes requests with OpenTelemetry's own messages for Python.

Each line of the input is a request in hexadecimal digits; each line of the output is what it says as
JSON, doubles as their bits, or the complaint.
"""

import json
import struct
import sys

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest


def bits(number):
    return struct.unpack("<Q", struct.pack("<d", number))[0]


def refuse_unknown(message):
    assert not len(UnknownFieldSet(message)), f"unknown fields in {message.DESCRIPTOR.name}"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if not hasattr(value, "DESCRIPTOR") else [value]:
                refuse_unknown(part)


def text_of(value):
    kind = value.WhichOneof("value")
    assert kind in ("string_value", "int_value"), kind
    return str(getattr(value, kind))


def attributes(pairs):
    return [[pair.key, text_of(pair.value)] for pair in pairs]


def number(point):
    if point.WhichOneof("value") == "as_int":
        return {"int": point.as_int}
    return {"double": bits(point.as_double)}


def distribution(point):
    has_extremes = point.HasField("min") and point.HasField("max")
    return {
        "count": point.count,
        "sum": bits(point.sum),
        "scale": point.scale,
        "zero_count": point.zero_count,
        "zero_threshold": bits(point.zero_threshold),
        "offset": point.positive.offset,
        "counts": list(point.positive.bucket_counts),
        "extremes": [bits(point.min), bits(point.max)] if has_extremes else None,
    }


def metric(message):
    kind = message.WhichOneof("data")
    data = getattr(message, kind)
    read = distribution if kind == "exponential_histogram" else number
    return {
        "name": message.name,
        "description": message.description,
        "unit": message.unit,
        "kind": kind,
        "temporality": getattr(data, "aggregation_temporality", 0),
        "is_monotonic": getattr(data, "is_monotonic", False),
        "points": [
            {
                "attributes": attributes(point.attributes),
                "start": point.start_time_unix_nano,
                "time": point.time_unix_nano,
                "reading": read(point),
            }
            for point in data.data_points
        ],
    }


def decoded(body):
    request = ExportMetricsServiceRequest.FromString(body)
    refuse_unknown(request)
    [resource_metrics] = request.resource_metrics
    [scope_metrics] = resource_metrics.scope_metrics
    return {
        "resource": attributes(resource_metrics.resource.attributes),
        "scope": [scope_metrics.scope.name, scope_metrics.scope.version],
        "metrics": [metric(message) for message in scope_metrics.metrics],
    }


for line in sys.stdin:
    try:
        print(json.dumps(decoded(bytes.fromhex(line))), flush=True)
    except Exception as error:
        print(json.dumps({"error": repr(error)}), flush=True)
