"""What TRL makes of rows, against which the forms of rows are tested.

    python scripts/data/forms.py    # writes tests/cli/data/trl_forms.json
"""

import copy
import json
from pathlib import Path

from trl.data_utils import extract_prompt, maybe_convert_to_chatml

FILE = Path(__file__).parents[2] / "tests/cli/data/trl_forms.json"


def said(*contents):
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": c} for i, c in enumerate(contents)]


# No prompt ends with the assistant: TRL has such prompts, and here that message is the answers'.
PAIRS = [
    {"chosen": said("q", "a"), "rejected": said("q", "b")},
    {"chosen": said("q", "a", "r", "b"), "rejected": said("q", "a", "r", "c")},
    {"chosen": said("q", "a", "r", "b")[2:], "rejected": said("q", "a", "r", "c")[2:]},
    {"chosen": said("q", "a"), "rejected": said("q", "b", "r", "c")},
    {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    {"chosen": "The sky is blue.", "rejected": "The sky isn't."},
    {"chosen": "Human: hi Assistant: Hello", "rejected": "Human: hi Assistant: Hey"},
    {"chosen": "1+1=2", "rejected": "1+1=3"},
    {"chosen": "é 🦊 a", "rejected": "é 🦊 b"},
    {"chosen": "a  b", "rejected": "a  c"},
]
SHARED = [
    {"conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]},
    {"conversations": said("q", "a")},
    {"messages": [{"from": "system", "value": "s"}, {"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]},
]


def main():
    golden = {
        "pairs": [{"row": row, "read": extract_prompt(copy.deepcopy(row))} for row in PAIRS],
        "conversations": [{"row": row, "read": maybe_convert_to_chatml(copy.deepcopy(row))} for row in SHARED],
    }
    FILE.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


main()
