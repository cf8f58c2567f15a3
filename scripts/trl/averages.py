"""Averages parameters as TRL's callbacks do, for the tests of autodiff.

    pip install -r scripts/trl/requirements.txt
    python scripts/trl/averages.py > tests/autodiff/golden/averages.json

Parameter i is sin(i * i + 7 t) after step t, 1 to 6, and sin(i * i) before the first. The averages are
those of SyncRefModelCallback (TR-DPO, and the teachers of SDFT and SDPO) and of BEMACallback.
"""

import json
from types import SimpleNamespace

import torch
import trl
from accelerate import Accelerator
from trl.trainer.callbacks import BEMACallback, SyncRefModelCallback

# TRL's callbacks ask it whether the processes share out parameters.
Accelerator(cpu=True)
SIZE, STEPS = 4, 6


class Model(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.weight = torch.nn.Parameter(torch.zeros(SIZE, dtype=torch.float64))

    def set(self, t):
        i = torch.arange(SIZE, dtype=torch.float64)
        self.weight.data = torch.sin(i * i + 7 * t)
        return self


def run(callback, read, **args):
    model = Model(None).set(0)
    state = SimpleNamespace(global_step=0)
    values = []
    if hasattr(callback, "on_train_begin"):
        callback.on_train_begin(SimpleNamespace(**args), state, None, model=model)
    for t in range(1, STEPS + 1):
        # In place: BEMACallback keeps the parameters of the start.
        model.weight.data.copy_(Model(None).set(t).weight.data)
        state.global_step = t
        callback.on_step_end(SimpleNamespace(**args), state, None, model=model)
        values.append(read().weight.detach().tolist())
    return values


def synchronised(rate, steps):
    target = Model(None).set(0)
    callback = SyncRefModelCallback(target, None)
    return run(callback, lambda: target, ref_model_mixup_alpha=rate, ref_model_sync_steps=steps)


def bema(**options):
    callback = BEMACallback(**options)
    return run(callback, lambda: callback.running_model)


print(
    json.dumps(
        {
            "version": trl.__version__,
            "moving": synchronised(0.05, 1),
            "reference": synchronised(0.6, 3),
            "bema": bema(update_freq=1),
            "bema at every second step": bema(
                update_freq=2, ema_power=0.7, bias_power=0.4, lag=3, multiplier=2.0
            ),
        }
    )
)
