"""What TRL's trainers make of rows in each form, with which the tests compare the ids and masks here.

    pip install -r scripts/data/requirements.txt
    python scripts/data/prepared.py    # writes tests/cli/data/trl_prepared.json
    deno fmt tests/cli/data/trl_prepared.json

The functions are those of the trainers: `_prepare_dataset`, `_tokenize_prompts`, `tokenize_row` and
the data collators. Of a batch, each row is written without its padding. For conversations, the tokens
of the assistant are written as well, as transformers finds them by the template's marks.
"""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import DataCollatorForTokenClassification, PreTrainedTokenizerFast
from trl import DPOConfig, KTOConfig, RewardConfig, SFTConfig
from trl.data_utils import extract_prompt
from trl.experimental.prm import PRMTrainer
from trl.trainer import dpo_trainer, grpo_trainer, kto_trainer, reward_trainer, sft_trainer

FILE = Path(__file__).parents[2] / "tests/cli/data/trl_prepared.json"
SPECIAL = ["<s>", "</s>", "<pad>", "<system>", "<user>", "<assistant>", "<tool>"]

# A line end follows the stop token, as in ChatML; the assistant's tokens are marked.
TEMPLATE = (
    "{{- bos_token }}"
    "{%- if tools %}{{- '<system>' + tools | tojson + '\\n' }}{%- endif %}"
    "{%- if brief %}{{- '<system>Be brief.\\n' }}{%- endif %}"
    "{%- for m in messages %}"
    "{%- if m.role == 'assistant' %}{{- '<assistant>' }}"
    "{%- generation %}{{- m.content or '' }}"
    "{%- for call in m.tool_calls or [] %}"
    "{{- '[' + call.function.name + ' ' + call.function.arguments | tojson + ']' }}"
    "{%- endfor %}{{- eos_token }}{%- endgeneration %}"
    "{%- else %}{{- '<' + m.role + '>' + m.content }}{%- endif %}{{- '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<assistant>' }}{%- endif %}"
)
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
QUESTIONS = ["1+1?", "The sky is", "é or 🦊?", " two  spaces ", "say\nso", "x", "blue sky", "Why?", "a b c", "who"]
ANSWERS = [" 2", " blue", " 🦊", "yes", "so\n", " </s>", " the sky", " Because.", "", " nobody"]
OTHERS = [" 3", " green", " é", "no", "no\n", " x", " the sea", " So.", "c", " you"]


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def turns(i):
    """A conversation up to a question: with the system, a turn before, or alone."""
    before = [[{"role": "system", "content": "Be kind."}], [user("x"), assistant("blue")], []][i % 3]
    return before + [user(QUESTIONS[i])]


CALL = {"role": "assistant", "content": None,
        "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}]}
RESULT = {"role": "tool", "content": "3", "tool_calls": None}


def answer(i, contents=ANSWERS):
    """An answer: of one turn, of three, or with a tool."""
    if i == 7:
        return [CALL, RESULT, assistant(contents[i])]
    return [assistant(contents[i])] + ([user("And?"), assistant("So.")] if i == 4 else [])


TEN = range(10)
PLAIN = [{"prompt": QUESTIONS[i], "completion": ANSWERS[i]} for i in TEN]
# After a space, of which the tokenizer makes one token with the word.
PLAIN[3]["completion"] = "blue"
TALK = [{"prompt": turns(i), "completion": answer(i)} for i in TEN]

ROWS = {
    "text": [{"text": q + a} for q, a in zip(QUESTIONS, ANSWERS)],
    "messages": [{"messages": turns(i) + answer(i), "tools": json.dumps(TOOLS if i % 2 else []),
                  "chat_template_kwargs": {"brief": i > 6}} for i in TEN],
    "conversations": [{"conversations": [{"from": m["role"], "value": m["content"]}
                                         for m in turns(i) + [assistant(ANSWERS[i])]]} for i in TEN],
    "completions": TALK,
    "plain completions": PLAIN,
    "pairs": [{"prompt": turns(i), "chosen": answer(i), "rejected": answer(i, OTHERS)} for i in TEN],
    "plain pairs": [{"prompt": q, "chosen": a, "rejected": b} for q, a, b in zip(QUESTIONS, ANSWERS, OTHERS)],
    "implicit pairs": [{"chosen": turns(i) + answer(i), "rejected": turns(i) + answer(i, OTHERS)} for i in TEN],
    "plain implicit pairs": [{"chosen": q + a, "rejected": q + b} for q, a, b in zip(QUESTIONS, ANSWERS, OTHERS)],
    "labels": [row | {"label": i % 2 == 0} for i, row in enumerate(TALK)],
    "plain labels": [row | {"label": i % 2 == 0} for i, row in enumerate(PLAIN)],
    "steps": [{"prompt": QUESTIONS[i], "completions": [ANSWERS[j] + OTHERS[j] for j in range(i % 4 + 1)],
               "labels": [(i + j) % 3 > 0 for j in range(i % 4 + 1)]} for i in TEN],
    "prompts": [{"prompt": turns(i), "privileged_context": ANSWERS[i]} for i in TEN],
    "plain prompts": [{"prompt": q} for q in QUESTIONS],
}


def make_tokenizer(texts):
    """A tokenizer of byte pairs that were merged where they are frequent."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=140, special_tokens=SPECIAL, show_progress=False))
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
                                   additional_special_tokens=SPECIAL[3:], clean_up_tokenization_spaces=False)


def strings(value):
    if isinstance(value, str):
        return [value]
    own = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in own for text in strings(part)]


texts = [text for rows in ROWS.values() for text in strings(rows)] + [TEMPLATE, json.dumps(TOOLS)]
base = make_tokenizer(texts)
chat = make_tokenizer(texts)
chat.chat_template = TEMPLATE
folder = tempfile.mkdtemp()
common = {"output_dir": folder, "report_to": "none", "bf16": False, "use_cpu": True, "max_length": None}


def unpadded(ids, attention, mask):
    """The rows of a batch, each without its padding."""
    return [{"ids": [token for token, own in zip(*row[:2]) if own], "mask": [int(m) for m, own in zip(row[2], row[1]) if own]}
            for row in zip(ids.tolist(), attention.tolist(), mask.tolist())]


def marked(tokenizer, row, *answers):
    """The tokens of the assistant in the conversation with each answer."""
    if tokenizer is base:
        return [{} for _ in answers]
    tools = json.loads(row["tools"]) if "tools" in row else None
    kwargs = row.get("chat_template_kwargs", {})
    return [{"assistant": tokenizer.apply_chat_template(messages, tools=tools or None, tokenize=True, return_dict=True,
                                                        return_assistant_tokens_mask=True, **kwargs)["assistant_masks"]}
            for messages in answers]


def sft(rows, tokenizer, assistant_only):
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=None, completion_only_loss=True)
    args = SFTConfig(**common, assistant_only_loss=assistant_only)
    made = sft_trainer.SFTTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, args, False, None, "train")
    batch = sft_trainer.DataCollatorForLanguageModeling(tokenizer.pad_token_id)(list(made))
    return unpadded(batch["input_ids"], batch["attention_mask"], batch["labels"] != -100)


def dpo(rows, tokenizer):
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    made = dpo_trainer.DPOTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, DPOConfig(**common), "train")
    batch = dpo_trainer.DataCollatorForPreference(tokenizer.pad_token_id)(list(made))
    sides = unpadded(batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
    read = [row if "prompt" in row else extract_prompt(dict(row)) for row in rows]
    return [side | own for row, sides in zip(read, zip(sides[:len(rows)], sides[len(rows):]))
            for side, own in zip(sides, marked(tokenizer, row, row["prompt"] + row["chosen"], row["prompt"] + row["rejected"]))]


def kto(rows, tokenizer):
    trainer = SimpleNamespace(_tokenizer=tokenizer, calculate_KL=False, desirable_weight=1.0, undesirable_weight=1.0)
    made = kto_trainer.KTOTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, KTOConfig(**common), "train")
    batch = kto_trainer.DataCollatorForUnpairedPreference(tokenizer.pad_token_id)(list(made))
    own = unpadded(batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
    answered = [(row, row["prompt"] + row["completion"]) for row in rows] if "completion" in rows[0] else [
        (row, row["prompt"] + row[side]) for side in ("chosen", "rejected") for row in rows]
    return [row | {"label": label} | marked(tokenizer, given, said)[0]
            for row, label, (given, said) in zip(own, batch["label"].tolist(), answered)]


def reward(rows, tokenizer):
    made = reward_trainer.RewardTrainer._prepare_dataset(None, Dataset.from_list(rows), tokenizer, RewardConfig(**common), "train")
    batch = reward_trainer.DataCollatorForPreference(tokenizer.pad_token_id)(list(made))
    sides = unpadded(batch["input_ids"], batch["attention_mask"], batch["attention_mask"])
    return [{"ids": side["ids"]} for pair in zip(sides[:len(rows)], sides[len(rows):]) for side in pair]


def prm(rows, tokenizer, last_only=False):
    made = [PRMTrainer.tokenize_row(row, tokenizer, "\n", None, None, last_only, False) for row in rows]
    batch = DataCollatorForTokenClassification(tokenizer)(made)
    return [row | {"labels": [label for label in labels if label != -100]} for row, labels in zip(
        unpadded(batch["input_ids"], batch["attention_mask"], batch["labels"] != -100), batch["labels"].tolist())]


def grpo(rows, tokenizer):
    trainer = SimpleNamespace(processing_class=tokenizer, chat_template=None, chat_template_kwargs={}, tools=None,
                              environment_factories=None, _is_vlm=False)
    ids, *_ = grpo_trainer.GRPOTrainer._tokenize_prompts(trainer, [row["prompt"] for row in rows])
    return [{"ids": own} for own in ids]


CASES = [
    ("SFTTrainer", "sft", "text", lambda rows: sft(rows, base, False)),
    ("SFTTrainer", "sft", "messages", lambda rows: sft(rows, chat, True)),
    ("SFTTrainer", "sft", "conversations", lambda rows: sft(rows, chat, True)),
    ("SFTTrainer", "sft", "completions", lambda rows: sft(rows, chat, True)),
    ("SFTTrainer", "sft", "plain completions", lambda rows: sft(rows, base, False)),
    ("DPOTrainer", "dpo", "pairs", lambda rows: dpo(rows, chat)),
    ("DPOTrainer", "dpo", "plain pairs", lambda rows: dpo(rows, base)),
    ("DPOTrainer", "dpo", "implicit pairs", lambda rows: dpo(rows, chat)),
    ("DPOTrainer", "dpo", "plain implicit pairs", lambda rows: dpo(rows, base)),
    ("KTOTrainer", "kto", "labels", lambda rows: kto(rows, chat)),
    ("KTOTrainer", "kto", "plain labels", lambda rows: kto(rows, base)),
    ("KTOTrainer", "kto", "pairs", lambda rows: kto(rows, chat)),
    ("RewardTrainer", "reward-model", "pairs", lambda rows: reward(rows, chat)),
    ("RewardTrainer", "reward-model", "plain pairs", lambda rows: reward(rows, base)),
    ("RewardTrainer", "reward-model", "implicit pairs", lambda rows: reward(rows, chat)),
    ("PRMTrainer", "process-reward-model", "steps", lambda rows: prm(rows, base)),
    ("GRPOTrainer", "grpo", "prompts", lambda rows: grpo(rows, chat)),
    ("GRPOTrainer", "grpo", "plain prompts", lambda rows: grpo(rows, base)),
]


def compact(row):
    """A row whose lists are short texts: ids with spaces between them, bits without."""
    return {name: value if name == "label" else (" " if name == "ids" else "").join(str(part) for part in value)
            for name, value in row.items()}


def main():
    base.save_pretrained(folder)
    files = {name: (Path(folder) / name).read_text() for name in ("tokenizer.json", "tokenizer_config.json")}
    golden = {
        "files": {name: json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")) for name, text in files.items()},
        "template": TEMPLATE,
        "rows": ROWS,
        "cases": [{"trainer": trainer, "objective": objective, "form": form, "made": [compact(row) for row in make(ROWS[form])]}
                  for trainer, objective, form, make in CASES],
    }
    FILE.write_text(json.dumps(golden, ensure_ascii=False) + "\n")


main()
