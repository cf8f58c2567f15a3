"""Golden numbers of adapters: PEFT's own results, against which ours are tested.

    python scripts/golden/adapters.py                  # writes tests/models/golden_adapters/*.json
    python scripts/golden/adapters.py --full FOLDER    # writes many adapters, for compare_adapters.ts
    python scripts/golden/adapters.py --check FOLDER   # reads what compare_adapters.ts wrote

Bases and adapters have the weights of the formula in models.py; so B is not 0. All results are in f64.
PEFT only warns of an adapter whose names it does not know, so what was written is compared by logits.
"""

import argparse
import copy
import json
import random
import tempfile
import warnings
import zlib
from pathlib import Path

import peft
import torch
import transformers
from models import (
    NONE,
    OTHER,
    ROOT,
    SMALL,
    descend,
    lift_casts,
    numbers,
    summary,
    variants,
    weight,
    without,
    write_base,
    write_golden,
)
from safetensors.torch import load_file, save_file

HEAD = "base_model.model.lm_head.weight"
CLASSES = {
    "CAUSAL_LM": transformers.AutoModelForCausalLM,
    "SEQ_CLS": transformers.AutoModelForSequenceClassification,
}


def read_base(folder, task):
    """The base of an adapter; heads of one number are new in it."""
    labels = {"num_labels": 1} if task == "SEQ_CLS" else {}
    return CLASSES[task].from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager", **labels
    )


def file_name(name):
    """The name in PEFT's file of a parameter."""
    for own in ["default.", ".default", "modules_to_save.", "original_module."]:
        name = name.replace(own, "")
    return name.replace("lora_magnitude_vector.weight", "lora_magnitude_vector")


def write_adapter(base, settings, folder):
    """Writes an adapter with the weights of the formula."""
    # PEFT changes the lists that it is given.
    config = peft.LoraConfig(**copy.deepcopy(settings))
    model = peft.get_peft_model(read_base(base, settings["task_type"]), config)
    model.save_pretrained(folder)
    file = Path(folder) / "adapter_model.safetensors"
    shapes = {name: list(tensor.shape) for name, tensor in load_file(file).items()}
    tensors = {name: weight(name, shape, 1) for name, shape in shapes.items()}
    for name in tensors:
        if name.endswith("lora_magnitude_vector"):
            tensors[name] = 1 + tensors[name] / 2
    if settings.get("ensure_weight_tying"):
        (embedding,) = (name for name in tensors if name.endswith(("embed_tokens.weight", "wte.weight")))
        assert HEAD in tensors
        tensors[HEAD] = tensors[embedding].clone()
        # PEFT ties where one of the names ends in embed_tokens or lm_head, and leaves the latter out of
        # what it writes: so it does not tie the embedding of a GPT-2 that it reads.
        place = Path(folder) / "adapter_config.json"
        written = json.loads(place.read_text())
        written["modules_to_save"] = [*written["modules_to_save"], "lm_head"]
        place.write_text(json.dumps(written))
    save_file(tensors, file, {"format": "pt"})
    return shapes, tensors


def read_adapter(base, folder, is_trainable):
    """An adapter on its base, all of whose parameters were in the file."""
    task = json.loads((Path(folder) / "adapter_config.json").read_text())["task_type"]
    base_model = read_base(base, task)
    model = peft.PeftModel.from_pretrained(base_model, folder, is_trainable=is_trainable).eval()
    tensors = load_file(Path(folder) / "adapter_model.safetensors")
    parts = ("lora_", "modules_to_save")
    own = {file_name(n): p for n, p in model.named_parameters() if any(part in n for part in parts)}
    tied = set(tensors) - set(own)
    assert set(own) <= set(tensors) and tied <= {HEAD}, tied
    for name, parameter in own.items():
        assert torch.equal(parameter.detach(), tensors[name].to(parameter.dtype)), name
    if tied:
        head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
        assert head.weight is embedding.weight
    if is_trainable:
        trained = {file_name(n) for n, p in model.named_parameters() if p.requires_grad}
        assert trained == set(own), trained ^ set(own)
    return model, own


def loss_of(model, ids):
    """The loss of a language model, or the mean square of scores; and what it is of."""
    if isinstance(model, peft.PeftModelForSequenceClassification):
        scores = model(input_ids=ids).logits
        return scores.square().mean(), scores
    output = model(input_ids=ids, labels=ids)
    return output.loss, output.logits


def results_of(model, parameters, vocabulary, seed, rows, tokens):
    """Everything that is compared: tensors, and the rest."""
    draw = random.Random(seed)
    ids = torch.tensor([[draw.randrange(1, vocabulary) for _ in range(tokens)] for _ in range(rows)])
    loss, logits = loss_of(model, ids)
    loss.backward()
    tensors = {"logits": logits.detach()}
    for name, parameter in parameters.items():
        tensors[f"gradient.{name}"] = parameter.grad.clone()
    losses = descend(list(parameters.values()), lambda: loss_of(model, ids)[0])
    return tensors, {"ids": ids.tolist(), "loss": loss.item(), "losses": losses}


def make(base_settings, adapter_settings, seed, sizes, base, folder):
    """Writes a base and an adapter of it, and gives what they are and their results."""
    config = transformers.AutoConfig.for_model(**base_settings)
    settings, shapes, _ = write_base(config, base)
    adapter_shapes, _ = write_adapter(base, adapter_settings, folder)
    model, parameters = read_adapter(base, folder, True)
    tensors, rest = results_of(model, parameters, config.vocab_size, seed, **sizes)
    return settings, shapes, adapter_shapes, tensors, rest


def golden(case, base_settings, adapter_settings, seed):
    sizes = {"rows": 2, "tokens": 7}
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryDirectory() as folder:
        settings, shapes, adapter_shapes, tensors, rest = make(
            base_settings, adapter_settings, seed, sizes, base, folder
        )
        adapter = json.loads((Path(folder) / "adapter_config.json").read_text())
    # PEFT writes sets, in an order that changes from run to run.
    for name in ["target_modules", "modules_to_save"]:
        adapter[name] = adapter[name] and sorted(adapter[name])
    gradients = {
        name.removeprefix("gradient."): summary(name.removeprefix("gradient."), tensor)
        for name, tensor in tensors.items()
        if name.startswith("gradient.")
    }
    contents = {
        "source": f"PEFT {peft.__version__}, transformers {transformers.__version__}, "
        f"PyTorch {torch.__version__}, f64",
        "config": settings,
        "shapes": shapes,
        "adapter": {**adapter, "base_model_name_or_path": case},
        "adapterShapes": adapter_shapes,
        "logits": numbers(tensors["logits"]),
        "gradients": gradients,
        **rest,
    }
    write_golden(ROOT / "tests/models/golden_adapters" / f"{case}.json", contents)


def full(folder, case, base_settings, adapter_settings, seed):
    place = folder / case
    (place / "base").mkdir(parents=True, exist_ok=True)
    sizes = {"rows": 3, "tokens": 16}
    *_, tensors, rest = make(
        base_settings, adapter_settings, seed, sizes, place / "base", place / "adapter"
    )
    for file in [place / "base/model.safetensors", place / "adapter/adapter_model.safetensors"]:
        narrow = {name: tensor.to(torch.float32) for name, tensor in load_file(file).items()}
        save_file(narrow, file, {"format": "pt"})
    wide = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(wide, place / "expected.safetensors")
    (place / "expected.json").write_text(json.dumps(rest))
    print(place)


def check(folder):
    """Reads the adapters and merged models that compare_adapters.ts wrote, and compares logits."""
    largest = {"adapters": 0, "merged models": 0}
    counts = dict.fromkeys(largest, 0)
    for place in sorted(path.parent for path in folder.glob("*/expected.json")):
        ids = torch.tensor(json.loads((place / "expected.json").read_text())["ids"])
        expected = load_file(place / "expected.safetensors")["logits"]

        def compare(kind, logits):
            difference = ((logits - expected).norm() / expected.norm()).item()
            # What was written is in f32.
            assert difference < 1e-6, (place, kind, difference)
            largest[kind] = max(largest[kind], difference)
            counts[kind] += 1

        model, _ = read_adapter(place / "base", place / "written", False)
        compare("adapters", model(input_ids=ids).logits)
        task = model.peft_config["default"].task_type
        merged, info = CLASSES[task].from_pretrained(
            place / "merged",
            dtype=torch.float64,
            attn_implementation="eager",
            output_loading_info=True,
        )
        # A model with a head of one number is written with its untied head of tokens.
        spare = {"lm_head.weight"} if task == "SEQ_CLS" else set()
        assert info.pop("unexpected_keys") <= spare, (place, info)
        assert not any(info.values()), (place, info)
        compare("merged models", merged(input_ids=ids).logits)
    for kind, difference in largest.items():
        print(f"{counts[kind]} {kind} that were written are read: logits differ by {difference:.1e}")


PADDED = {"pad_token_id": 0}
GPT2 = {
    **NONE,
    "model_type": "gpt2",
    "vocab_size": 29,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 32,
}
LLAMA = {"model_type": "llama", **SMALL, "tie_word_embeddings": True}
QWEN2 = {"model_type": "qwen2", **without(OTHER, "head_dim"), "hidden_size": 24}
QWEN3 = {"model_type": "qwen3", **OTHER, **PADDED}
GEMMA3 = {"model_type": "gemma3_text", **SMALL, "sliding_window": 4, "query_pre_attn_scalar": 12}
NEOX = {
    "model_type": "gpt_neox",
    **without(SMALL, "head_dim", "num_key_value_heads"),
    "num_attention_heads": 3,
    "rotary_pct": 0.5,
}
LORA = {"r": 3, "lora_alpha": 6, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
REWARD = {**LORA, "task_type": "SEQ_CLS"}

CASES = {
    "lora_gpt2": (GPT2, {**LORA, "fan_in_fan_out": True}),
    "lora_embedding_gpt_neox": (
        NEOX,
        {**LORA, "target_modules": ["query_key_value"], "modules_to_save": ["embed_in"]},
    ),
    "lora_head_gpt_neox": (
        NEOX,
        {**LORA, "target_modules": ["attention.dense"], "modules_to_save": ["lm_head"]},
    ),
    "lora_norms_gemma3": (GEMMA3, {**LORA, "r": 1, "modules_to_save": ["norm"]}),
    "lora_tied_llama": (
        LLAMA,
        {**LORA, "modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ),
    "lora_tied_gpt2": (
        GPT2,
        {
            **{**LORA, "fan_in_fan_out": True},
            **{"modules_to_save": ["wte", "lm_head"], "ensure_weight_tying": True},
        },
    ),
    "rslora_llama": (
        LLAMA,
        {**LORA, "target_modules": ["q_proj", "v_proj"], "use_rslora": True, "lora_dropout": 0.1},
    ),
    "dora_gpt2": (
        GPT2,
        {
            **{**LORA, "fan_in_fan_out": True, "use_dora": True},
            "target_modules": ["c_attn", "mlp.c_proj"],
        },
    ),
    "dora_qwen2": (QWEN2, {**LORA, "use_dora": True, "use_rslora": True}),
    "reward_gpt2": ({**GPT2, **PADDED}, {**REWARD, "fan_in_fan_out": True}),
    "reward_qwen3": (QWEN3, {**REWARD, "use_dora": True}),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", metavar="FOLDER", type=Path)
    parser.add_argument("--check", metavar="FOLDER", type=Path)
    parser.add_argument("--count", type=int, default=4, help="adapters of each kind with --full")
    parser.add_argument("--only", default="", help="cases whose names begin so")
    arguments = parser.parse_args()
    lift_casts()
    warnings.filterwarnings("ignore", message=".*tie_word_embeddings.*")
    if arguments.check is not None:
        return check(arguments.check)
    for case, (base, adapter) in CASES.items():
        if not case.startswith(arguments.only):
            continue
        seed = zlib.crc32(case.encode())
        if arguments.full is None:
            golden(case, base, adapter, seed)
            continue
        draw = random.Random(seed)
        is_gpt2 = base["model_type"] == "gpt2"
        sizes = [base] * arguments.count if is_gpt2 else variants(base, arguments.count, seed)
        for i, variant in enumerate(sizes):
            if is_gpt2:
                heads = draw.randrange(1, 4)
                variant = {**base, "n_head": heads, "n_embd": heads * draw.randrange(4, 9)}
            rank = draw.randrange(1, 6)
            full(
                arguments.full,
                f"{case}-{i}",
                variant,
                {**adapter, "r": rank, "lora_alpha": draw.randrange(1, 9)},
                seed + i,
            )


if __name__ == "__main__":
    main()
