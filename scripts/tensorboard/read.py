"""Reads the event file of a run as TensorBoard does, and compares it with metrics.jsonl.

    pip install -r scripts/tensorboard/requirements.txt
    python scripts/tensorboard/read.py RUN

Both of TensorBoard's readers are asked: the accumulator in Python, and the data server, which is
what the pages of TensorBoard ask (`--load_fast`), by way of its HTTP interface.
"""

import json
import math
import socket
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def expected(run):
    """The values by tag and step; a step twice is an error."""
    values = {}
    for text in open(f"{run}/metrics.jsonl", encoding="utf-8"):
        line = json.loads(text)
        step, place = line.pop("step"), line.pop("split", "train")
        for name, value in line.items():
            if isinstance(value, str) or value is None:
                continue
            single = struct.unpack("f", struct.pack("f", value))[0]
            own = values.setdefault(f"{place}/{name.removeprefix('eval_')}", {})
            assert step not in own, (step, name)
            own[step] = single
    return {tag: sorted(own.items()) for tag, own in values.items()}


def accumulated(run):
    accumulator = EventAccumulator(run, size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return {tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]}


def served(run):
    """What TensorBoard's own server answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", run, "--port", str(port),
         "--load_fast=true", "--samples_per_plugin=scalars=1000000"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/scalars/{path}") as answer:
            return json.load(answer)

    try:
        for _ in range(120):
            try:
                tags = ask("tags")
                if tags:
                    break
            except OSError:
                pass
            time.sleep(0.5)
        time.sleep(2)  # The first answer may be of a part of the file.
        return {tag: [(step, value) for _, step, value in
                      ask("scalars?" + urllib.parse.urlencode({"run": name, "tag": tag}))]
                for name, own in ask("tags").items() for tag in own}
    finally:
        server.terminate()
        server.wait()


def main(run):
    right = expected(run)
    for reader in (accumulated, served):
        found = reader(run)
        assert found.keys() == right.keys(), (found.keys() ^ right.keys())
        for tag, points in right.items():
            same = len(points) == len(found[tag]) and all(
                step == step2 and math.isclose(value, value2, rel_tol=0, abs_tol=0)
                for (step, value), (step2, value2) in zip(points, found[tag]))
            assert same, (reader.__name__, tag, points, found[tag])
        print(f"{reader.__name__}: {len(right)} tags, {sum(map(len, right.values()))} values, "
              f"as in metrics.jsonl")


main(sys.argv[1])
