"""Measures whole trainings by TRL and by `deno task train`, in turns: seconds a step and peak memory.

    python bench/peers/trainings.py --models FOLDER --text book.txt [--only lora,grpo] [--rounds 3]

FOLDER is one that scripts/finetune/make.py has made. Both commands read the same rows, which are cut
from the text; they take as many steps on batches of the same shape, in f32 unless a row of the table
says otherwise, on all processors. A step's time is the difference of two trainings of unlike length,
over the difference of their steps, so that neither the start nor the end counts; `whole` is the longer
training from start to end, evaluations included. Peak memory is the most of the command's process.

Requirements: scripts/trl/requirements.txt.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# Each training: its trainer, its model, rows in a batch, tokens in a row, and two numbers of steps.
TRAININGS = {
    "full": dict(kind="sft", model="smol", batch=1, length=512, steps=(2, 8)),
    "lora": dict(kind="sft", model="smol", batch=1, length=512, steps=(2, 8), lora=True),
    "dpo": dict(kind="dpo", model="smol", batch=1, length=256, steps=(2, 8), lora=True),
    "gpt2": dict(kind="sft", model="gpt2", batch=1, length=128, steps=(2, 12)),
    "qwen": dict(kind="sft", model="qwen", batch=1, length=512, steps=(1, 3), lora=True),
    "qwen-dpo": dict(kind="dpo", model="qwen", batch=1, length=256, steps=(1, 3), lora=True),
    "small": dict(kind="sft", model="small", batch=16, length=128, steps=(5, 45)),
    "grpo": dict(kind="grpo", model="smol", batch=16, length=64, steps=(1, 4)),
    "grpo-small": dict(kind="grpo", model="small", batch=16, length=64, steps=(3, 13)),
}
GROUP = 8
RANK = 16
RATE = 1e-5


def rows_of(kind: str, text: str, length: int) -> list[dict]:
    """Rows that fill the length: a token has at most eight characters in the mean."""
    size = 8 * length
    pieces = [text[i * size : (i + 1) * size] for i in range(min(400, len(text) // size))]
    if kind == "sft":
        return [{"text": piece} for piece in pieces]
    if kind == "dpo":
        half = size // 2
        return [
            {"prompt": piece[:16], "chosen": piece[16:half], "rejected": piece[half:]}
            for piece in pieces
        ]
    return [{"prompt": piece[: 2 * length]} for piece in pieces]


def train_by_trl(work: dict) -> None:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    base = torch.bfloat16 if work.get("lora") else torch.float32
    model = AutoModelForCausalLM.from_pretrained(work["model"], dtype=base)
    tokenizer = AutoTokenizer.from_pretrained(work["model"])
    rows = [json.loads(line) for line in open(work["rows"], encoding="utf-8")]
    common = dict(
        output_dir=work["out"],
        max_steps=work["steps"],
        learning_rate=RATE,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        logging_steps=10,
        per_device_train_batch_size=work["batch"],
    )
    lora = (
        LoraConfig(r=RANK, target_modules="all-linear", task_type="CAUSAL_LM")
        if work.get("lora")
        else None
    )
    given = dict(train_dataset=Dataset.from_list(rows), processing_class=tokenizer, peft_config=lora)
    if work["kind"] == "sft":
        trainer = SFTTrainer(model, args=SFTConfig(max_length=work["length"], **common), **given)
    elif work["kind"] == "dpo":
        trainer = DPOTrainer(model, args=DPOConfig(max_length=work["length"], **common), **given)
    else:
        config = GRPOConfig(
            num_generations=GROUP,
            max_completion_length=work["length"],
            beta=0.0,
            **common,
        )
        reward = lambda completions, **_: [-float(len(text)) for text in completions]
        trainer = GRPOTrainer(model, reward_funcs=reward, args=config, **given)
    trainer.train()


def unitune_command(work: dict, deno: str, device: str) -> list[str]:
    task = "train:native" if device == "native" else "train"
    # A row of 512 tokens is read at 511 places, and predicted at the next.
    context = {"sft": work["length"], "dpo": work["length"], "grpo": 3 * work["length"]}
    args = dict(
        model=work["model"],
        data=work["rows"],
        objective=work["kind"],
        steps=work["steps"],
        context=context[work["kind"]],
        device=device,
        out=work["out"],
    )
    args["batch-size"] = work["batch"]
    args["gradient-accumulation"] = 1
    args["learning-rate"] = RATE
    args["eval-examples"] = 1
    if work["kind"] == "grpo":
        args["group-size"] = GROUP
        args["max-new-tokens"] = work["length"]
        args["rewards"] = "length-penalty"
    if work.get("lora"):
        args["lora-rank"] = RANK
    flags = [text for name, value in args.items() for text in (f"--{name}", str(value))]
    return [deno, "task", task, *flags, *(["--lora"] if work.get("lora") else [])]


def run(command: list[str], log: pathlib.Path) -> tuple[float, float]:
    """Seconds, and the gigabytes of the largest process of the command."""
    code = (
        "import resource, subprocess, sys\n"
        "rc = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL).returncode\n"
        "sys.stderr.write(f'\\n{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}')\n"
        "sys.exit(rc)"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, errors="replace"
    )
    seconds = time.monotonic() - started
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds, int(done.stderr.rsplit("\n", 1)[1]) * 1024 / 1e9


def measure(name: str, args: argparse.Namespace, folder: pathlib.Path) -> dict:
    training = TRAININGS[name]
    rows = folder / f"{name}.jsonl"
    text = args.text.read_text(encoding="utf-8")
    with rows.open("w", encoding="utf-8") as file:
        for row in rows_of(training["kind"], text, training["length"]):
            file.write(json.dumps(row) + "\n")
    turns: dict[str, list[tuple[float, float, float]]] = {"unitune": [], "trl": []}
    for turn in range(args.rounds):
        for who in sorted(turns, reverse=turn % 2 == 0):
            taken = []
            for steps in training["steps"]:
                work = {
                    **training,
                    "model": str(args.models / training["model"]),
                    "rows": str(rows),
                    "steps": steps,
                    "out": str(folder / f"{name}-{who}-{turn}-{steps}"),
                }
                command = (
                    unitune_command(work, args.deno, args.device)
                    if who == "unitune"
                    else [sys.executable, __file__, "--trl", json.dumps(work)]
                )
                taken.append(run(command, folder / f"{name}-{who}.log"))
            few, many = training["steps"]
            step = (taken[1][0] - taken[0][0]) / (many - few)
            turns[who].append((step, taken[1][0], taken[1][1]))
    columns = ("step", "whole", "memory")
    medians = {
        who: dict(zip(columns, map(statistics.median, zip(*taken)))) for who, taken in turns.items()
    }
    ratios = {
        column: statistics.median(
            ours[i] / theirs[i] for ours, theirs in zip(turns["unitune"], turns["trl"])
        )
        for i, column in enumerate(columns)
    }
    return {**medians, "ratio": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--only", default=",".join(TRAININGS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["wasm", "native", "webgpu"], default="wasm")
    parser.add_argument("--deno", default="deno")
    args = parser.parse_args()
    print("| training | whose | seconds a step | whole, s | peak memory, GB |")
    print("| -------- | ----- | -------------- | -------- | --------------- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only.split(","):
            for who, figures in measure(name, args, pathlib.Path(folder)).items():
                cells = " | ".join(f"{figures[c]:.3g}" for c in ("step", "whole", "memory"))
                print(f"| {name} | {who} | {cells} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trl"]:
        train_by_trl(json.loads(sys.argv[2]))
    else:
        main()
