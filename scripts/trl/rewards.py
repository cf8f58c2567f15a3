"""Computes rewards of TRL, for the tests of training/rewards.

    pip install -r scripts/trl/requirements.txt
    python scripts/trl/rewards.py > tests/training/trl_rewards.json
    deno fmt tests/training/trl_rewards.json
"""

import json
import random

import trl
from trl.rewards import get_repetition_penalty_reward, get_soft_overlong_punishment

random.seed(0)
SIZES = [(100, 20), (10, 10), (7, 3), (1, 1)]
ANSWERS = [[], [5], [1, 2, 3, 4], [5] * 5, [1, 2, 3] * 3, [1, 1, 2, 2, 1, 1], [1, 21, 12, 1, 1]]
ANSWERS += [[random.randrange(3) for _ in range(length)] for length in (8, 16, 40)]


def overlong(most, buffer):
    lengths = sorted({0, 1, most - buffer, most - buffer + 1, most - 1, most, most + 1})
    scores = get_soft_overlong_punishment(most, buffer)(completion_ids=[[7] * n for n in lengths])
    return {"most": most, "buffer": buffer, "lengths": lengths, "scores": scores}


def repetition(size):
    return {"size": size, "scores": get_repetition_penalty_reward(size, -1.0)(ANSWERS)}


print(json.dumps({
    "version": trl.__version__,
    "overlong": [overlong(most, buffer) for most, buffer in SIZES],
    "answers": ANSWERS,
    "repetition": [repetition(size) for size in (1, 2, 3, 4)],
}))
