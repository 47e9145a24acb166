"""Reads a cell through the package's client.

Reads {"base_url", "cell", "start", "end", "sensors": [[name, measurement], ...]}, the cell by its name and the times
in Unix seconds.
"""

import json
import sys
from datetime import datetime, timezone

import pandas as pd
from ents.dirtviz.client import BackendClient


def instant(seconds):
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def columns(frame):
    """A frame as lists, with times in Unix seconds and null where there is no value."""
    lists = {name: frame[name].tolist() for name in frame.columns}
    lists["timestamp"] = [moment.timestamp() for moment in lists["timestamp"]]
    return {
        name: [None if pd.isna(value) else value for value in values]
        for name, values in lists.items()
    }


wanted = json.load(sys.stdin)
client = BackendClient(wanted["base_url"])
cell = client.cell_from_name(wanted["cell"])
span = (instant(wanted["start"]), instant(wanted["end"]))

print(
    json.dumps(
        {
            "cells": [vars(known) for known in client.cells()],
            "cell": vars(cell),
            "power": columns(client.power_data(cell, *span)),
            "teros": columns(client.teros_data(cell, *span)),
            "sensors": [
                columns(client.sensor_data(cell, name, measurement, *span))
                for name, measurement in wanted["sensors"]
            ],
        }
    )
)
