"""GPT-2's training step in PyTorch, as bench/training.ts has it: a peer to measure beside it.

    python torch_gpt.py '{"layers": 4, "heads": 4, "width": 128, "context": 64, "vocabulary": 65,
                          "batch": 12, "compile": false, "device": "cpu"}'

Prints a line of JSON once it is ready; then, for each line with a number on standard input, does so
many steps and prints the loss of the last.
"""

import json
import os
import sys

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    print(json.dumps({"missing": f"PyTorch is not installed for {sys.executable}: {error}"}))
    sys.exit(0)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, 4 * width)
        self.output = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        packed = self.attention(self.ln_1(x)).view(batch, length, 3, self.heads, -1)
        queries, keys, values = packed.permute(2, 0, 3, 1, 4).unbind(0)
        seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.attended(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.output(functional.gelu(self.hidden(self.ln_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, sizes: dict) -> None:
        super().__init__()
        width = sizes["width"]
        self.tokens = nn.Embedding(sizes["vocabulary"], width)
        self.positions = nn.Parameter(torch.randn(sizes["context"], width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, sizes["heads"]) for _ in range(sizes["layers"]))
        self.norm = nn.LayerNorm(width)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = functional.linear(self.norm(x), self.tokens.weight)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main() -> None:
    sizes = json.loads(sys.argv[1])
    device = sizes["device"]
    if device == "cuda" and not torch.cuda.is_available():
        print(json.dumps({"missing": f"PyTorch {torch.__version__} sees no CUDA device"}))
        return
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = Gpt(sizes).to(device)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True
    )
    loss_of = torch.compile(model) if sizes["compile"] else model
    ids = torch.randint(0, sizes["vocabulary"], (sizes["batch"], sizes["context"] + 1)).to(device)
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def step() -> torch.Tensor:
        loss = loss_of(inputs, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.detach()

    first = step().item()
    about = {
        "version": f"PyTorch {torch.__version__}",
        "parameters": sum(parameter.numel() for parameter in parameters),
        "threads": torch.get_num_threads(),
        "loss": first,
    }
    print(json.dumps(about), flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            loss = step()
        print(loss.item(), flush=True)


main()
