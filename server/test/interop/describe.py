"""Answers what the package knows of each sensor type: its name, number, measurement and unit."""

import json

from ents.proto.sensor import get_sensor_data
from ents.proto.sensor_pb2 import SensorType

types = []
for name, number in SensorType.items():
    if name == "NONE":
        continue
    known = get_sensor_data(name)
    types.append(
        {
            "number": number,
            "name": name,
            "measurement": known["name"],
            "unit": known["unit"],
        }
    )

print(json.dumps(types))
