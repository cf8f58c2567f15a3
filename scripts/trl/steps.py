"""Computes the loss of a process reward model as PRMTrainer of TRL does, for the tests of objectives.

    pip install -r scripts/trl/requirements.txt
    python scripts/trl/steps.py > tests/objectives/trl_steps.json
    deno fmt tests/objectives/trl_steps.json

The trainer takes the loss of the model, which is that of transformers for the classification of tokens:
two logits a token. Hidden states and weights are formulas of their indices, in f64; the cast of
transformers to f32 is lifted.
"""

import json

import torch
import transformers
import trl
from transformers.loss.loss_utils import ForTokenClassification

B, T, D = 2, 5, 3
LABELS = [[-100, 1, -100, 0, -100], [-100, -100, 1, -100, 1]]
LAST = [[-100, -100, -100, 0, -100], [-100, -100, -100, -100, 1]]


torch.Tensor.float = lambda self: self


def wave(size, shape):
    return torch.sin(torch.arange(1, size + 1, dtype=torch.float64) * 1.7).reshape(shape)


def computed(labels):
    hidden = wave(B * T * D, (B, T, D)).requires_grad_()
    weight = wave(2 * D, (2, D)).requires_grad_()
    config = transformers.LlamaConfig(num_labels=2)
    loss = ForTokenClassification(hidden @ weight.T, torch.tensor(labels), config)
    loss.backward()
    return {"loss": loss.item(), "hidden": hidden.grad.flatten().tolist(), "weight": weight.grad.tolist()}


print(json.dumps({"version": trl.__version__, "labels": LABELS, "all": computed(LABELS), "last": computed(LAST)}))
