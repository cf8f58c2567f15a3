"""Generation by transformers with random weights: a peer to measure beside bench/peers/generation.ts.

    python transformers_generation.py '{"layers": 30, "width": 576, "heads": 9, "keyValueHeads": 3,
        "hiddenWidth": 1536, "vocabulary": 49152, "context": 1024, "batch": 16, "prompt": 32,
        "tokens": 32, "dtype": "float32"}'

Prints a line of JSON once it is ready; then, for each line with a number on standard input, completes
the same prompts so often and prints the last token.
"""

import json
import os
import sys

try:
    import torch
    import transformers
    from transformers import LlamaConfig, LlamaForCausalLM
except ImportError as error:
    print(json.dumps({"missing": f"transformers is not installed for {sys.executable}: {error}"}))
    sys.exit(0)


def main() -> None:
    sizes = json.loads(sys.argv[1])
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    config = LlamaConfig(
        vocab_size=sizes["vocabulary"],
        hidden_size=sizes["width"],
        intermediate_size=sizes["hiddenWidth"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        num_key_value_heads=sizes["keyValueHeads"],
        max_position_embeddings=sizes["context"],
        tie_word_embeddings=True,
        eos_token_id=None,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).to(getattr(torch, sizes["dtype"])).eval()
    batch, prompt, tokens = sizes["batch"], sizes["prompt"], sizes["tokens"]
    ids = torch.tensor(
        [[(37 * i + 11 * j) % sizes["vocabulary"] for j in range(prompt)] for i in range(batch)]
    )

    @torch.inference_mode()
    def generate() -> int:
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            use_cache=True,
        )
        return int(out[-1, -1])

    generate()
    about = {
        "version": f"transformers {transformers.__version__}, PyTorch {torch.__version__}",
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            last = generate()
        print(last, flush=True)


main()
