"""Makes the golden steps of optimizers that tests/autodiff compares with.

    python scripts/optimizers/make.py > tests/autodiff/golden/optimizers.json

Element i of tensor n is sin(i * i + n), and of its gradient in step t sin(i * i + n + 7 t); all is
computed in 64 bits, unless said. Muon is PyTorch's, whose iteration is kept from rounding to bfloat16;
Adafactor is that of transformers; AdamW of 8 bits is written after Dettmers et al. 2022 with the map
of bitsandbytes, the nearest of whose numbers is looked up.

Requirements: scripts/golden/requirements.txt.
"""

import json

import torch
from transformers.optimization import Adafactor

STEPS = 4
SHAPES = {"wide": [3, 5], "long": [6, 2], "vector": [4]}


def formula(shape, offset):
    size = int(torch.tensor(shape).prod())
    i = torch.arange(size, dtype=torch.float64)
    return torch.sin(i * i + offset).reshape(shape)


def run(shapes, make):
    names = list(shapes)
    params = [torch.nn.Parameter(formula(shapes[name], n)) for n, name in enumerate(names)]
    optimizer = make(params)
    for t in range(1, STEPS + 1):
        for n, (name, param) in enumerate(zip(names, params)):
            param.grad = formula(shapes[name], n + 7 * t)
        optimizer.step()
    return {name: param.detach().flatten().tolist() for name, param in zip(names, params)}


def muon(params, **options):
    torch.Tensor.bfloat16 = torch.Tensor.clone
    return torch.optim.Muon(params, lr=0.05, adjust_lr_fn="match_rms_adamw", **options)


def dynamic_map(signed):
    numbers = [0.0, 1.0]
    for i in range(7):
        parts = 2**i if signed else 2 ** (i + 1)
        edges = torch.linspace(0.1, 1, parts + 1, dtype=torch.float64)
        middles = 10.0 ** (i - 6) * (edges[:-1] + edges[1:]) / 2
        numbers += middles.tolist() + ((-middles).tolist() if signed else [])
    return torch.tensor(sorted(numbers), dtype=torch.float64)


def quantized(x, numbers):
    """The numbers that are stored in place of x, in blocks of 256."""
    blocks = torch.nn.functional.pad(x, (0, -len(x) % 256)).reshape(-1, 256)
    largest = blocks.abs().amax(1, keepdim=True)
    share = blocks / torch.where(largest == 0, 1, largest)
    nearest = (share[..., None] - numbers).abs().argmin(-1)
    return (numbers[nearest] * largest).flatten()[: len(x)]


def adamw8bit(size, rate=0.01, beta1=0.9, beta2=0.99, epsilon=1e-8, decay=0.1):
    signed, positive = dynamic_map(True), dynamic_map(False)
    param = formula([size], 0)
    m, v = torch.zeros_like(param), torch.zeros_like(param)
    for t in range(1, STEPS + 1):
        share = torch.arange(size, dtype=torch.float64) / size
        g = formula([size], 7 * t) * 10.0 ** (-6 * share)
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        step = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + epsilon)
        param = param - rate * (step + decay * param)
        m, v = quantized(m, signed), quantized(v, positive)
    return param[:: size // 20].tolist()


matrices = {name: shape for name, shape in SHAPES.items() if len(shape) == 2}
results = {
    "muon": run(matrices, lambda p: muon(p, weight_decay=0.1)),
    "muonPlain": run(matrices, lambda p: muon(p, weight_decay=0, nesterov=False, momentum=0.5)),
    "adafactor": run(SHAPES, lambda p: Adafactor(p)),
    "adafactorWarmup": run(SHAPES, lambda p: Adafactor(p, warmup_init=True)),
    "adafactorFixed": run(
        SHAPES,
        lambda p: Adafactor(
            p, lr=0.05, relative_step=False, scale_parameter=False, weight_decay=0.1, clip_threshold=0.5
        ),
    ),
    "adamw8bit": adamw8bit(64 * 65),
    "maps": {"signed": dynamic_map(True).tolist(), "positive": dynamic_map(False).tolist()},
}
print(json.dumps(results, indent=1))
