"""Answers the messages that the package's simulators make, in hexadecimal.

Reads {"simulator", "sensors", "instants", "min", "max"}.
"""

import json
import sys

from ents.simulator.node import NodeSimulator, NodeSimulatorGeneric

wanted = json.load(sys.stdin)
origin = {"cell": wanted["cell"], "logger": wanted["logger"]}
if wanted["simulator"] == "sim":
    node = NodeSimulator(sensors=wanted["sensors"], **origin)
else:
    node = NodeSimulatorGeneric(
        sensors=wanted["sensors"], _min=wanted["min"], _max=wanted["max"], **origin
    )

for instant in wanted["instants"]:
    node.measure(instant)

print(json.dumps([message.hex() for message in node.measurements]))
