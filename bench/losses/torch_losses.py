"""Losses of training steps of GPT-2 in PyTorch, as bench/losses/training.ts computes them.

    python torch_losses.py FOLDER '{"steps": 3, "rate": 3e-4, "beta1": 0.9, "beta2": 0.99,
                                    "epsilon": 1e-8, "weightDecay": 0.1, "clip": 1}'

FOLDER holds a checkpoint in the layout of Hugging Face (config.json, model.safetensors) and
batch.safetensors with `ids [B, T]`: all but the last of a row are read, all but the first predicted.
Prints a line of JSON: the version and the loss that each step began with, or what is missing.
"""

import json
import os
import sys

try:
    import torch
    from safetensors.torch import load_file
    from torch.nn import functional
    from transformers import GPT2LMHeadModel
except ImportError as error:
    print(json.dumps({"missing": f"a package is not installed for {sys.executable}: {error}"}))
    sys.exit(0)


def main() -> None:
    folder, recipe = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = GPT2LMHeadModel.from_pretrained(folder).train()
    ids = load_file(os.path.join(folder, "batch.safetensors"))["ids"].long()
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [p for p in parameters if p.ndim >= 2],
                "weight_decay": recipe["weightDecay"],
            },
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=recipe["rate"],
        betas=(recipe["beta1"], recipe["beta2"]),
        eps=recipe["epsilon"],
    )
    losses = []
    for _ in range(recipe["steps"]):
        logits = model(inputs).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe["clip"])
        optimizer.step()
        losses.append(loss.item())
    print(
        json.dumps(
            {
                "version": f"PyTorch {torch.__version__}",
                "parameters": sum(p.numel() for p in parameters),
                "losses": losses,
            }
        )
    )


if __name__ == "__main__":
    main()
