"""Logits of a model or an adapter by transformers and PEFT, for compare.ts; and steps of TRL between.

    python scripts/finetune/logits.py FOLDER --out logits.json
    python scripts/finetune/logits.py FOLDER --train rows.jsonl --save OTHER --out logits.json

FOLDER is a model, or an adapter whose configuration names its model. With --train, TRL's SFTTrainer
takes a few steps first, and --save keeps the result as save_pretrained does. Ends with the greedy
answer to a prompt, and whether it stops by itself.

Requirements: scripts/golden/requirements.txt, and trl and peft.
"""

import argparse
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def load(folder: pathlib.Path):
    if (folder / "adapter_config.json").exists():
        from peft import AutoPeftModelForCausalLM

        return AutoPeftModelForCausalLM.from_pretrained(
            folder, is_trainable=True, torch_dtype=torch.float32
        )
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def train(model, tokenizer, rows: pathlib.Path, work: pathlib.Path):
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    data = load_dataset("json", data_files=str(rows), split="train")
    config = SFTConfig(
        output_dir=str(work),
        max_steps=3,
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
    )
    trainer = SFTTrainer(model=model, args=config, train_dataset=data, processing_class=tokenizer)
    trainer.train()
    return trainer.model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--train", type=pathlib.Path)
    parser.add_argument("--save", type=pathlib.Path)
    parser.add_argument("--prompt", default="What is 2 + 2?")
    args = parser.parse_args()
    model = load(args.folder)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    if args.train is not None:
        model = train(model, tokenizer, args.train, args.out.parent / "trl")
    if args.save is not None:
        model.save_pretrained(args.save)
        tokenizer.save_pretrained(args.save)
    model.eval()
    messages = [{"role": "user", "content": args.prompt}]
    ids = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )["input_ids"]
    with torch.no_grad():
        logits = model(ids).logits[0]
        answer = model.generate(ids, max_new_tokens=64, do_sample=False)[0, ids.shape[1]:].tolist()
    stops = model.generation_config.eos_token_id
    stops = stops if isinstance(stops, list) else [stops]
    args.out.write_text(
        json.dumps({"ids": ids[0].tolist(), "logits": logits.tolist(), "answer": answer})
    )
    print(f"answer: {tokenizer.decode(answer)!r}; stops: {answer[-1] in stops}")


if __name__ == "__main__":
    main()
