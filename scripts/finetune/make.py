"""Makes models to fine-tune, as the hub has them, where the hub is out of reach.

    python scripts/finetune/make.py --text book.txt --out FOLDER

FOLDER/small  a Llama of about a million parameters, with random weights, and a byte-level BPE
              tokenizer of 2,048 tokens that was trained on the text
FOLDER/smol   random weights in the shape of SmolLM2-135M, bf16 in two files, with the same tokenizer
FOLDER/gpt2   random weights in the shape of GPT-2, f32 in one file, with the same tokenizer
FOLDER/qwen   random weights in the shape of Qwen3-0.6B, bf16 in one file, with the same tokenizer

Requirements: scripts/golden/requirements.txt.
"""

import argparse
import pathlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def tokenizer_of(text: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
        chat_template=CHATML,
    )


def config_of(**sizes) -> LlamaConfig:
    return LlamaConfig(
        tie_word_embeddings=True,
        rope_theta=100_000.0,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
        **sizes,
    )


def save(folder: pathlib.Path, config, tokenizer, dtype, shard: str) -> None:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).to(dtype)
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    count = sum(p.numel() for p in model.parameters())
    print(f"{folder}: {count:,} parameters")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    tokenizer = tokenizer_of(args.text.read_text(encoding="utf-8"))
    small = config_of(
        vocab_size=2048,
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
    )
    save(args.out / "small", small, tokenizer, torch.float32, "1GB")
    smol = config_of(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        initializer_range=0.041666666666666664,
    )
    save(args.out / "smol", smol, tokenizer, torch.bfloat16, "200MB")
    gpt2 = GPT2Config(bos_token_id=0, eos_token_id=2, pad_token_id=0)
    save(args.out / "gpt2", gpt2, tokenizer, torch.float32, "1GB")
    qwen = Qwen3Config(
        vocab_size=151_936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        rope_theta=1_000_000.0,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=0,
    )
    save(args.out / "qwen", qwen, tokenizer, torch.bfloat16, "2GB")


if __name__ == "__main__":
    main()
