"""Reads exports as those do who get them: with pandas, pyarrow, polars and frictionless.

Reads {"csv", "csv-tidy", "parquet", "datapackage"}, the paths of files.
"""

import json
import sys
import zipfile

import pandas as pd
import polars as pl
import pyarrow.parquet as pq
from frictionless import Package


def microseconds(column):
    return column.astype("datetime64[us, UTC]").astype("int64").tolist()


def numbers(column):
    return [None if pd.isna(value) else value for value in column.tolist()]


def rows(frame):
    return {
        "timestamp": microseconds(frame["timestamp"]),
        "received_at": microseconds(frame["received_at"]),
        "value": numbers(frame["value"]),
        "logger_id": numbers(frame["logger_id"]),
        **{name: frame[name].tolist() for name in ("cell", "sensor", "measurement", "unit")},
    }


paths = json.load(sys.stdin)
times = ["timestamp", "received_at"]
wide = pd.read_csv(paths["csv"], parse_dates=["timestamp"])
directory = paths["datapackage"] + ".d"
zipfile.ZipFile(paths["datapackage"]).extractall(directory)
report = Package(directory + "/datapackage.json").validate()

print(
    json.dumps(
        {
            "wide": {
                "columns": wide.columns.tolist(),
                "timestamp": microseconds(wide["timestamp"]),
                "values": [numbers(wide[name]) for name in wide.columns[1:]],
            },
            "tidy": rows(pd.read_csv(paths["csv-tidy"], parse_dates=times)),
            "parquet": rows(pd.read_parquet(paths["parquet"])),
            "metadata": json.loads(
                pq.ParquetFile(paths["parquet"]).metadata.metadata[b"ents-backend.export"]
            ),
            "polars": {
                "csv": str(pl.read_csv(paths["csv"], try_parse_dates=True).schema["timestamp"]),
                "parquet": {
                    name: str(kind) for name, kind in pl.read_parquet(paths["parquet"]).schema.items()
                },
            },
            "package": {"valid": report.valid, "errors": report.flatten(["note"])},
        }
    )
)
