"""Golden numbers of language models: transformers' own results, against which ours are tested.

    python scripts/golden/models.py                  # writes tests/models/golden/*.json
    python scripts/golden/models.py --full FOLDER    # writes many models, for scripts/golden/compare.ts
    python scripts/golden/models.py --check FOLDER   # reads the models that compare.ts wrote

Weights are no random numbers but a formula of tensor name and index (`weight`), which the tests know
as well, so that golden files hold no weights. All results are in f64. transformers computes norms,
softmax and rotary angles in f32 whatever the type of the model; these casts are lifted here.
"""

import argparse
import importlib
import json
import math
import random
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
LEARNING_RATE = 1e-2
ADAMW = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}
STEPS = 10


class Wide:
    """The module `torch`, in which f32 is f64."""

    float32 = torch.float64
    float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def lift_casts():
    """Makes transformers compute in f64 where it casts to f32."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = lambda tensor: tensor.double()
    names = ["modeling_rope_utils"] + [
        f"models.{name}.modeling_{name}"
        for name in ["gpt2", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "gpt_neox"]
    ]
    for name in names:
        importlib.import_module(f"transformers.{name}").torch = Wide()


def mix(x):
    """The finalizer of MurmurHash3 on 32-bit integers."""
    with np.errstate(over="ignore"):
        x = x ^ (x >> np.uint32(16))
        x = x * np.uint32(0x85EBCA6B)
        x = x ^ (x >> np.uint32(13))
        x = x * np.uint32(0xC2B2AE35)
        return x ^ (x >> np.uint32(16))


def uniform(name, size):
    """Numbers from -1/2 to 1/2, multiples of 2^-16: of the bytes of a name and of the index."""
    seed = np.uint32(0)
    for byte in name.encode():
        seed = mix(seed ^ np.uint32(byte))
    indices = np.arange(size, dtype=np.uint32)
    with np.errstate(over="ignore"):
        bits = mix(indices * np.uint32(0x9E3779B1) + seed)
    return (bits >> np.uint32(16)).astype(np.float64) / 2**16 - 0.5


def weight(name, shape, gain):
    """A tensor's elements: uniform ones, added to the common value of gains in those of norms."""
    elements = uniform(name, math.prod(shape))
    is_gain = len(shape) == 1 and name.endswith("weight")
    return torch.from_numpy((gain + elements / 2 if is_gain else elements).reshape(shape))


def write_base(config, folder):
    """Writes a model in f64 with the weights of the formula."""
    gain = 0 if config.model_type.startswith("gemma") else 1
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    file = Path(folder) / "model.safetensors"
    shapes = {name: list(tensor.shape) for name, tensor in load_file(file).items()}
    tensors = {name: weight(name, shape, gain) for name, shape in shapes.items()}
    save_file(tensors, file, {"format": "pt"})
    settings = json.loads((Path(folder) / "config.json").read_text())
    return settings, shapes, tensors


def of_config(config):
    """A model in f64 with the weights of the formula, which transformers reads from files."""
    with tempfile.TemporaryDirectory() as folder:
        settings, shapes, tensors = write_base(config, folder)
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float64,
            attn_implementation="eager",
            output_loading_info=True,
        )
        assert not any(info.values()), info
    model.eval()
    return model, settings, shapes, tensors


def saved_names(model, shapes):
    """The names in files of the model's own parameters."""
    renamed = {"gpt_neox": {"lm_head.weight": "embed_out.weight"}}
    names = renamed.get(model.config.model_type, {})
    named = {names.get(name, name): p for name, p in model.named_parameters()}
    assert set(named) == set(shapes), set(named) ^ set(shapes)
    return named


def greedy(model, prompts, count, stops=None):
    """Greedy answers to prompts of several lengths, padded on the left, up to any of the stop tokens."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    made = model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=False,
        max_new_tokens=count,
        min_new_tokens=count if stops is None else None,
        eos_token_id=stops,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    best = torch.stack(made.logits).topk(2).values
    answers = [up_to(answer, stops or []) for answer in made.sequences[:, width:].tolist()]
    return answers, (best[..., 0] - best[..., 1]).min().item()


def up_to(answer, stops):
    """An answer with its first stop token and without the padding behind it."""
    ends = [place for place, token in enumerate(answer) if token in stops]
    return answer[: ends[0] + 1] if ends else answer


def descend(parameters, loss_now):
    """The losses before each of some steps of AdamW."""
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, **ADAMW)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_now()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def results_of(model, shapes, seed, sizes):
    """Everything that is compared: tensors, and the rest."""
    draw = random.Random(seed)
    vocabulary = model.config.vocab_size
    token = lambda: draw.randrange(1, vocabulary)
    ids = torch.tensor([[token() for _ in range(sizes["tokens"])] for _ in range(sizes["rows"])])
    output = model(input_ids=ids, labels=ids)
    output.loss.backward()
    tensors = {"logits": output.logits.detach()}
    for name, parameter in saved_names(model, shapes).items():
        tensors[f"gradient.{name}"] = parameter.grad.clone()
    # Prompts whose answers are told apart by a margin, so that rounding cannot decide one.
    while True:
        prompts = [
            [token() for _ in range(1 + draw.randrange(sizes["tokens"] - 1))]
            for _ in range(sizes["prompts"])
        ]
        answers, margin = greedy(model, prompts, sizes["answer"])
        stops = [answers[0][1], answers[1][3]]
        stopped, _ = greedy(model, prompts, sizes["answer"], stops)
        # Both stop tokens end answers.
        if margin > 1e-3 and {answer[-1] for answer in stopped} >= set(stops):
            break
    return tensors, {
        "ids": ids.tolist(),
        "loss": output.loss.item(),
        "prompts": prompts,
        "answers": answers,
        "stops": stops,
        "stopped": stopped,
        "losses": descend(model.parameters(), lambda: model(input_ids=ids, labels=ids).loss),
    }


def number(x):
    return float(f"{x:.13g}")


def numbers(tensor):
    """The elements of a tensor in nested lists."""
    return number(tensor) if tensor.dim() == 0 else [numbers(part) for part in tensor]


def summary(name, gradient):
    """What golden files hold of a gradient: its norm, and its product with other numbers."""
    along = torch.from_numpy(uniform(f"along {name}", gradient.numel()))
    return [number(gradient.norm()), number(along @ gradient.flatten())]


def write_golden(file, contents):
    """Writes a golden file, with a line for each of its parts."""
    file.parent.mkdir(exist_ok=True)
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in contents.items()]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(file.relative_to(ROOT), file.stat().st_size, "bytes")


def golden(case, settings, seed):
    config = transformers.AutoConfig.for_model(**settings)
    model, settings, shapes, _ = of_config(config)
    sizes = {"rows": 2, "tokens": 9, "prompts": 5, "answer": 7}
    tensors, rest = results_of(model, shapes, seed, sizes)
    gradients = {
        name.removeprefix("gradient."): summary(name.removeprefix("gradient."), tensor)
        for name, tensor in tensors.items()
        if name.startswith("gradient.")
    }
    contents = {
        "source": f"transformers {transformers.__version__}, PyTorch {torch.__version__}, f64",
        "config": settings,
        "shapes": shapes,
        "logits": numbers(tensors["logits"]),
        "gradients": gradients,
        **rest,
    }
    write_golden(ROOT / "tests/models/golden" / f"{case}.json", contents)


def full(folder, case, settings, seed):
    config = transformers.AutoConfig.for_model(**settings)
    model, settings, shapes, weights = of_config(config)
    sizes = {"rows": 3, "tokens": 24, "prompts": 20, "answer": 12}
    tensors, rest = results_of(model, shapes, seed, sizes)
    place = folder / case
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.json").write_text(json.dumps(settings))
    narrow = {name: tensor.to(torch.float32) for name, tensor in weights.items()}
    save_file(narrow, place / "model.safetensors", {"format": "pt"})
    wide = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(wide, place / "expected.safetensors")
    (place / "expected.json").write_text(json.dumps(rest))
    print(place)


def tensors_in(place):
    """The tensors in a folder's files by name, from one file or several."""
    return {
        name: tensor
        for file in sorted(place.glob("model*.safetensors"))
        for name, tensor in load_file(file).items()
    }


# What a config says of the file and not of the model, or of our own choice of tokens.
OF_FILES = ["_name_or_path", "transformers_version", "dtype", "eos_token_id", "pad_token_id"]


def settings_in(place):
    settings = transformers.AutoConfig.from_pretrained(place).to_dict()
    return without(settings, *OF_FILES)


def lost_settings(found, expected):
    """The names of settings with another value, or none; there may be others beside them."""
    return [
        name
        for name, value in expected.items()
        if (
            lost_settings(found[name], value)
            if isinstance(value, dict) and isinstance(found.get(name), dict)
            else found.get(name) != value
        )
    ]


def check(folder):
    """Reads the models that compare.ts wrote: settings, tensors and logits are those of the first."""
    largest, counts = 0, {}
    for place in sorted(path.parent for path in folder.glob("*/written/*/config.json")):
        kind, first = place.name, place.parents[1]
        counts[kind] = counts.get(kind, 0) + 1
        if kind != "new":
            lost = lost_settings(settings_in(place), settings_in(first))
            assert not lost, (place, lost)
        generation = transformers.GenerationConfig.from_pretrained(place)
        assert (generation.eos_token_id, generation.pad_token_id) == ([1, 2], 0), generation
        files = len(list(place.glob("model*.safetensors")))
        assert files > 1 if kind == "sharded" else files == 1, (place, files)
        narrow = torch.bfloat16 if kind == "bf16" else torch.float32
        found, tensors = tensors_in(place), tensors_in(first)
        assert found.keys() == tensors.keys(), found.keys() ^ tensors.keys()
        for name, tensor in tensors.items():
            assert found[name].dtype == narrow and found[name].equal(tensor.to(narrow)), name
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            place,
            dtype=torch.float64,
            attn_implementation="eager",
            output_loading_info=True,
        )
        assert not any(info.values()), (place, info)
        ids = json.loads((first / "expected.json").read_text())["ids"]
        logits = model(input_ids=torch.tensor(ids)).logits
        if kind == "bf16":
            assert logits.isfinite().all(), place
            continue
        expected = load_file(first / "expected.safetensors")["logits"]
        difference = ((logits - expected).norm() / expected.norm()).item()
        assert difference < 1e-12, (place, difference)
        largest = max(largest, difference)
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    print(f"models that were written are read: {told}; logits differ by {largest:.1e} at most")


NONE = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": None}

# Odd sizes among them: 3 heads of keys and values, heads of a width that is not width / heads.
SMALL = {
    **NONE,
    "vocab_size": 31,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "head_dim": 8,
    "max_position_embeddings": 48,
}
OTHER = {
    **SMALL,
    "vocab_size": 37,
    "hidden_size": 20,
    "intermediate_size": 33,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 6,
}


def without(settings, *names):
    return {name: value for name, value in settings.items() if name not in names}


LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 100.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {
    "rope_type": "yarn",
    "rope_theta": 1000.0,
    "factor": 3.0,
    "beta_fast": 4.0,
    "beta_slow": 1.0,
    "original_max_position_embeddings": 16,
}

CASES = {
    "gpt2": {
        "model_type": "gpt2",
        **without(SMALL, "head_dim", "num_key_value_heads", "intermediate_size"),
        "num_attention_heads": 3,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "resid_pdrop": 0.0,
    },
    "llama": {"model_type": "llama", **SMALL, "tie_word_embeddings": True, "rms_norm_eps": 1e-5},
    "llama_scaled": {
        "model_type": "llama",
        **OTHER,
        "attention_bias": True,
        "mlp_bias": True,
        "hidden_act": "gelu",
        "rope_parameters": LLAMA3,
    },
    "mistral": {"model_type": "mistral", **SMALL, "sliding_window": 4},
    "mistral_linear": {
        "model_type": "mistral",
        **OTHER,
        "tie_word_embeddings": True,
        "sliding_window": None,
        "rope_parameters": {"rope_type": "linear", "rope_theta": 500.0, "factor": 2.0},
    },
    "qwen2": {
        "model_type": "qwen2",
        **without(SMALL, "head_dim"),
        "hidden_size": 36,
        "tie_word_embeddings": True,
    },
    "qwen2_window": {
        "model_type": "qwen2",
        **without(OTHER, "head_dim"),
        "hidden_size": 24,
        "use_sliding_window": True,
        "sliding_window": 3,
        "max_window_layers": 1,
        "rope_parameters": YARN,
    },
    "qwen3": {"model_type": "qwen3", **SMALL, "tie_word_embeddings": True},
    "qwen3_bias": {
        "model_type": "qwen3",
        **OTHER,
        "attention_bias": True,
        "hidden_act": "gelu_new",
    },
    "gemma2": {
        "model_type": "gemma2",
        **SMALL,
        "sliding_window": 4,
        "query_pre_attn_scalar": 12,
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 5.0,
    },
    "gemma2_uncapped": {
        "model_type": "gemma2",
        **OTHER,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "sliding_window": 3,
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "hidden_activation": "silu",
    },
    "gemma3": {
        "model_type": "gemma3_text",
        **SMALL,
        "num_hidden_layers": 3,
        "sliding_window": 4,
        "sliding_window_pattern": 3,
        "query_pre_attn_scalar": 12,
        "rope_theta": 700.0,
        "rope_local_base_freq": 50.0,
        "rope_scaling": {"rope_type": "linear", "factor": 3.0},
    },
    "gemma3_untied": {
        "model_type": "gemma3_text",
        **OTHER,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "sliding_window": 3,
        "final_logit_softcapping": 4.0,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
    },
    "gpt_neox": {
        "model_type": "gpt_neox",
        **without(SMALL, "head_dim", "num_key_value_heads"),
        "num_attention_heads": 3,
        "rotary_pct": 0.5,
    },
    "gpt_neox_serial": {
        "model_type": "gpt_neox",
        **without(OTHER, "head_dim", "num_key_value_heads"),
        "hidden_size": 32,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "use_parallel_residual": False,
        "hidden_act": "gelu_fast",
        "layer_norm_eps": 1e-3,
        "rope_parameters": {**LLAMA3, "partial_rotary_factor": 1.0},
    },
}


def variants(settings, count, seed):
    """The same settings with other sizes."""
    draw = random.Random(seed)
    for _ in range(count):
        groups, kv = draw.choice([1, 2, 3]), draw.choice([1, 2, 3])
        # A multiple of 4, since some models rotate half of it, in pairs.
        head = 4 * draw.randrange(1, 5)
        heads = groups * kv
        width = draw.randrange(1, 12) if "head_dim" in settings else head
        changed = {
            "vocab_size": draw.randrange(20, 120),
            "num_attention_heads": heads,
            "intermediate_size": draw.randrange(5, 80),
            "hidden_size": heads * width,
        }
        if "num_key_value_heads" in settings:
            changed["num_key_value_heads"] = kv
        if "head_dim" in settings:
            changed["head_dim"] = head
        yield {**settings, **changed}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", metavar="FOLDER", type=Path)
    parser.add_argument("--check", metavar="FOLDER", type=Path)
    parser.add_argument("--count", type=int, default=8, help="models of each kind with --full")
    parser.add_argument("--only", default="", help="cases whose names begin so")
    arguments = parser.parse_args()
    lift_casts()
    if arguments.check is not None:
        return check(arguments.check)
    for case, settings in CASES.items():
        if not case.startswith(arguments.only):
            continue
        seed = zlib.crc32(case.encode())
        if arguments.full is None:
            golden(case, settings, seed)
            continue
        for i, variant in enumerate(variants(settings, arguments.count, seed)):
            full(arguments.full, f"{case}-{i}", variant, seed + i)


if __name__ == "__main__":
    main()
