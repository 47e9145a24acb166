"""Decodes messages with the package: what nodes send, and what a server answers them.

Reads a list of {"kind", "hex"}; answers what each message says, in order.
"""

import json
import sys

from ents.proto.decode import decode_measurement
from ents.proto.sensor import (
    decode_repeated_sensor_measurements,
    decode_sensor_response,
    update_repeated_metadata,
)
from ents.proto.soil_power_sensor_pb2 import Response


def measurement(data):
    decoded = decode_measurement(data)
    del decoded["data_type"]  # Python types, which JSON can't hold
    return decoded


def response(data):
    message = Response()
    message.ParseFromString(data)
    return Response.ResponseType.Name(message.resp)


kinds = {
    "measurement": measurement,
    "repeated": lambda data: update_repeated_metadata(
        decode_repeated_sensor_measurements(data)
    ),
    "response": response,
    "responses": decode_sensor_response,
}

print(
    json.dumps(
        [
            kinds[message["kind"]](bytes.fromhex(message["hex"]))
            for message in json.load(sys.stdin)
        ]
    )
)
