"""Trains by TRL from a configuration, and compares the losses with those of a run of Unitune.

    pip install -r scripts/trl/requirements.txt
    deno task train --config FILE --config-format trl --objective sft --out RUN
    python scripts/trl/compare.py SFT FILE RUN

The first word names a trainer of TRL: SFT, DPO or KTO. Its configuration and the model are made of
the same file, its rows are those that the run has trained on, the first nine tenths. The batch has
to hold all of them, since TRL draws another order; the rate to be constant, since that of the first
steps of a warm-up is another; and logging_steps to be 1. The chat template has to end an answer with
its stop token: TRL learns a line end behind it as well. A model without dropout of its own, and no
adapter, whose first weights are random.
"""

import dataclasses
import json
import sys

import trl
import yaml
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer

kind, file, run = sys.argv[1:]
given = yaml.safe_load(open(file, encoding="utf-8"))


def arguments(cls):
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: value for name, value in given.items() if name in names}


def numbers(values):
    return {name: float(value) if name == "learning_rate" else value
            for name, value in values.items()}


rows = [json.loads(line) for line in open(given["dataset_name"], encoding="utf-8")]
rows = rows[:len(rows) - round(len(rows) / 10)]
config_class, trainer_class = getattr(trl, f"{kind}Config"), getattr(trl, f"{kind}Trainer")
options = numbers(arguments(config_class)) | {"report_to": "none", "save_strategy": "no"}
path = given["model_name_or_path"]
trainer = trainer_class(
    model=AutoModelForCausalLM.from_pretrained(path),
    args=config_class(**options),
    train_dataset=Dataset.from_list(rows),
    processing_class=AutoTokenizer.from_pretrained(path),
)
trainer.train()

theirs = {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}
lines = [json.loads(line) for line in open(f"{run}/metrics.jsonl", encoding="utf-8")]
ours = {line["step"]: line["loss"] for line in lines if "split" not in line}
assert theirs.keys() == ours.keys() and ours, (theirs.keys(), ours.keys())
apart = 0
for step in sorted(ours):
    apart = max(apart, abs(ours[step] - theirs[step]))
    print(f"step {step}: {theirs[step]:.6f} by TRL, {ours[step]:.6f} by Unitune")
print(f"apart by at most {apart:.1e}")
