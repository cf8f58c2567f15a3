"""Writes the event file that TensorBoard's own classes give, for the tests of cli/tensorboard.

    pip install -r scripts/tensorboard/requirements.txt
    python scripts/tensorboard/golden.py > tests/cli/tensorboard/golden.json

Its content is a list of records in hexadecimal, with the event that each of them holds.
"""

import io
import json

from tensorboard.compat.proto.event_pb2 import Event, SourceMetadata
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

START = Event(wall_time=1.25, file_version="brain.Event:2",
              source_metadata=SourceMetadata(writer="unitune"))

SCALARS = [
    (1764355200.5, 0, {"held-out/loss": 3.5}),
    (1764355201.0, 10, {"train/loss": 0.1, "train/num_tokens": 16777217.0, "train/zero": 0.0}),
    (1764355202.0, 127, {"train/loss": -1e-7}),
    (1764355202.5, 128, {"validation/exact_match/größer": 0.5}),
    (1764355203.0, 2**31 - 1, {"train/" + "x" * 200: 2.0}),
]


def record(event):
    file = io.BytesIO()
    RecordWriter(file).write(event.SerializeToString(deterministic=True))
    return file.getvalue().hex()


def scalars(time, step, values):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)
                             for tag, value in values.items()])
    return Event(wall_time=time, step=step, summary=summary)


print(json.dumps({
    "start": {"time": START.wall_time, "record": record(START)},
    "scalars": [{"time": time, "step": step, "scalars": values,
                 "record": record(scalars(time, step, values))}
                for time, step, values in SCALARS],
}, ensure_ascii=False, indent=2))
