"""Small Parquet files of every kind, against which the reader is tested.

    python scripts/data/tables.py    # writes tests/cli/data/tables/*.parquet and rows.json
"""

import datetime
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parents[2] / "tests/cli/data/tables"

CALL = {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def message(role, content, calls=None):
    return {"role": role, "content": content, "tool_calls": calls}


ROWS = [
    {
        "messages": [message("user", f"{i} + 1, é 🦊"), message("assistant", f"{i + 1}")],
        "label": i % 2 == 0,
        "count": i,
        "score": i / 4,
        "note": None if i % 3 == 0 else f"note {i}",
        "tags": [] if i == 2 else None if i == 3 else [f"t{i}", None],
        "when": datetime.datetime(2026, 1, 1 + i, tzinfo=datetime.timezone.utc),
    }
    for i in range(7)
]
ROWS[5]["messages"] = [
    message("user", "add"),
    message("assistant", None, [CALL]),
    message("tool", "2"),
    message("assistant", "two"),
]

MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        (
            "tool_calls",
            pa.list_(
                pa.struct(
                    [
                        ("type", pa.string()),
                        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
                    ]
                )
            ),
        ),
    ]
)
SCHEMA = pa.schema(
    [
        ("messages", pa.list_(MESSAGE)),
        ("label", pa.bool_()),
        ("count", pa.int64()),
        ("score", pa.float64()),
        ("note", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("when", pa.timestamp("ms", tz="UTC")),
    ]
)

KINDS = {
    "snappy": {"compression": "snappy"},
    "none": {"compression": "none", "use_dictionary": False},
    "zstd": {"compression": "zstd", "data_page_version": "2.0"},
    "gzip": {"compression": "gzip"},
    "brotli": {"compression": "brotli"},
    "groups": {"compression": "snappy", "row_group_size": 3},
    "plain": {"compression": "zstd", "use_dictionary": False, "column_encoding": "PLAIN"},
}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(ROWS, schema=SCHEMA)
    for name, options in KINDS.items():
        pq.write_table(table, FOLDER / f"{name}.parquet", **options)
    pq.write_table(table.slice(0, 0), FOLDER / "empty.parquet")
    shown = [{**row, "when": row["when"].strftime("%Y-%m-%dT%H:%M:%S.000Z")} for row in ROWS]
    (FOLDER / "rows.json").write_text(json.dumps(shown, ensure_ascii=False, indent=1) + "\n")


main()
