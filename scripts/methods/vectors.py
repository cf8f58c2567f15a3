"""Computes the losses of methods that unite SFT and RL, with their gradients, for the tests of objectives.

    pip install -r scripts/methods/requirements.txt
    python scripts/methods/vectors.py > tests/objectives/method_vectors.json
    deno fmt tests/objectives/method_vectors.json

Each function states a loss as the code of its method does, of log-probabilities of answer tokens, in
f64. The names are those of the cases in tests/objectives/methods.test.ts.
"""

import json
import math

import torch

torch.manual_seed(0)
ROWS, LENGTH, GROUP = 8, 6, 4
f64 = torch.float64
old = -2.5 * torch.rand(ROWS, LENGTH, dtype=f64) - 0.05
log_probs = (old + 0.8 * torch.randn(ROWS, LENGTH, dtype=f64)).clamp(max=-0.01)
entropies = 2 * torch.rand(ROWS, LENGTH, dtype=f64)
lengths = torch.tensor([6, 4, 5, 2, 3, 6, 1, 5])
mask = (torch.arange(LENGTH) < lengths[:, None]).to(f64)
right = torch.tensor([1, 0, 0, 1, 0, 0, 0, 1], dtype=f64)
teacher = -2 * torch.rand(ROWS, LENGTH, dtype=f64) - 0.02
# The last row of each group is a demonstration; the row before it begins with one.
given = torch.zeros(ROWS, LENGTH, dtype=f64)
given[3::4] = 1
given[2::4, :1] = 1

groups = right.view(-1, GROUP)
centred = (groups - groups.mean(1, keepdim=True)).view(-1)
raw_rate = groups.mean(1, keepdim=True).expand(-1, GROUP).reshape(-1)
CASES = {}


def case(f):
    CASES[f.__name__] = f
    return f


def choose(condition, yes, no):
    """torch.where of two numbers, in f64."""
    return torch.where(condition, torch.tensor(yes, dtype=f64), torch.tensor(no, dtype=f64))


def token_mean(x):
    return (x * mask).sum() / mask.sum()


def row_mean(x):
    return ((x * mask).sum(1) / mask.sum(1)).mean()


def constant(x, longest):
    return (x * mask).sum() / (ROWS * longest)


@case
def sapo(lp):
    """TRL 1.13, loss_type sapo."""
    advantages = centred[:, None]
    temperature = choose(advantages > 0, 1.0, 1.05)
    ratio = torch.exp(lp - old)
    return row_mean(-torch.sigmoid(temperature * (ratio - 1)) * 4 / temperature * advantages)


@case
def vespo(lp):
    """TRL 1.13, loss_type vespo."""
    advantages = centred[:, None]
    log_ratio = torch.clamp(lp - old, -20, 20)
    log_w = torch.clamp((log_ratio * mask).sum(1, keepdim=True), math.log(1e-8), 20)
    k = choose(advantages >= 0, 2.0, 3.0)
    decay = choose(advantages >= 0, 3.0, 2.0)
    phi = torch.exp(decay + k * log_w - decay * torch.exp(log_w)).detach()
    return token_mean(-phi * advantages * lp)


@case
def gmpo(lp):
    """TRL 1.13, experimental/gmpo; the ranges are those of the paper."""
    advantages = centred[:, None]
    log_ratio = lp - old
    cut = torch.clamp(log_ratio, -0.4, 0.4)
    kept = torch.where(advantages > 0, torch.minimum(log_ratio, cut), torch.maximum(log_ratio, cut))
    mean = (kept * mask).sum(1) / mask.sum(1)
    return (-torch.exp(mean) * centred).mean()


def preserved(x, least):
    return x + (torch.clamp(x, min=least) - x).detach()


def negative_aware(lp, normalize):
    ratio = torch.exp((lp - old).clamp(max=10.0))
    rate = raw_rate.clamp(0.02, 0.98)[:, None]
    proxy = (1 - rate * ratio) / (1 - rate)
    wrong = -torch.log(preserved(proxy, 1.0))
    good = -torch.log(ratio)
    is_right = right[:, None]
    weight = 1 - rate if normalize == 1 else ((1 - rate) / rate) ** 0.5
    return constant((wrong * (1 - is_right) + good * is_right) * weight, 1000 / ROWS)


@case
def nft(lp):
    """NVlabs/NFT, dp_actor.py, normalize 1."""
    return negative_aware(lp, 1)


@case
def nft_scaled(lp):
    """NVlabs/NFT, dp_actor.py, normalize 2."""
    return negative_aware(lp, 2)


@case
def luffy(lp):
    """LUFFY, mix_core_alg: off-policy tokens p / (p + 0.1), others unclipped; advantage r - mean."""
    p = torch.exp(lp)
    advantages = centred[:, None]
    own = -advantages * torch.exp(lp - old)
    theirs = -advantages * p / (p + 0.1)
    return constant(torch.where(given == 1, theirs, own), 64)


@case
def rl_plus(lp):
    """RL-PLUS: demonstrations by multiple importance sampling, weighed by how unlikely they are."""
    p = torch.exp(lp)
    advantages = centred[:, None]
    behaviour = torch.exp(old)
    theirs = -2 * p / (behaviour + 0.5 * (behaviour + 1)) * advantages * (1 - p.detach()) ** 0.5
    own = -advantages * torch.exp(lp - old)
    return constant(torch.where(given == 1, theirs, own), 64)


@case
def uft(lp):
    """UFT: a clipped loss on the continuation, 0.001 of the likelihood on the hint."""
    advantages = centred[:, None]
    ratio = torch.exp(lp - old)
    own = -torch.minimum(ratio * advantages, torch.clamp(ratio, 0.8, 1.2) * advantages)
    return token_mean(torch.where(given == 1, -0.001 * lp, own))


@case
def relift(lp):
    """ReLIFT: own answers unclipped, demonstrations by token mean, and an entropy bonus."""
    theirs, own = given * mask, (1 - given) * mask
    reinforced = -(own * centred[:, None] * torch.exp(lp - old)).sum() / (ROWS * 64)
    return reinforced - (lp * theirs).sum() / theirs.sum() - 0.001 * token_mean(entropies)


@case
def psft(lp):
    """PSFT: PPO's clipped ratio with an advantage of 1; the lower bound never acts."""
    ratio = torch.exp(lp - old)
    return token_mean(-torch.minimum(ratio, torch.clamp(ratio, 0.8, 1.28)))


def mu(step, warmup, decay, peak, valley):
    """Trinity-RFT, mu_schedule_function of CHORD."""
    if step < warmup:
        return step / warmup * peak
    if step >= warmup + decay:
        return valley
    return valley + (peak - valley) * (1 + math.cos(math.pi * (step - warmup) / decay)) / 2


@case
def chord_mu(lp):
    """Trinity-RFT, CHORD: GRPO and the likelihood of demonstrations, at weights of step 90."""
    weight = mu(90, 60, 120, 0.9, 0.05)
    theirs, own = given * mask, (1 - given) * mask
    advantages = centred[:, None]
    ratio = torch.exp(lp - old)
    clipped = -torch.minimum(ratio * advantages, torch.clamp(ratio, 0.8, 1.2) * advantages)
    reinforced = (clipped * own).sum() / own.sum()
    return (1 - weight) * reinforced - weight * (lp * theirs).sum() / theirs.sum()


@case
def chord_phi(lp):
    """Trinity-RFT, CHORD: demonstration tokens weighed by p (1 - p)."""
    p = torch.exp(lp).detach()
    return token_mean(-p * (1 - p) * lp)


@case
def dppo(lp):
    """prime-rl: tokens beyond the trust region dropped, and a squared log-ratio."""
    advantages = centred[:, None]
    moved = torch.exp(lp) - torch.exp(old)
    beyond = ((advantages > 0) & (moved > 0.2)) | ((advantages < 0) & (moved < -0.2))
    own = -(~beyond).to(f64) * torch.exp(lp - old) * advantages + 1e-3 * (lp - old) ** 2
    return token_mean(own)


@case
def weighted_reinforce(lp):
    """Right answers weigh 0.1, wrong ones 1."""
    signs = 2 * right[:, None] - 1
    return token_mean(-choose(signs > 0, 0.1, 1.0) * signs * lp)


@case
def srft(lp):
    """SRFT as its paper writes it: demonstrations and own answers weighed by the entropy of all of each."""
    theirs, own = given * mask, (1 - given) * mask
    h = lambda part: ((entropies * part).sum() / part.sum()).detach()
    signs = torch.where(right[:, None] > 0, 0.1 * torch.exp(h(own)), -1.0)
    supervised = 0.5 * torch.exp(-h(theirs)) * (-lp * theirs).sum() / theirs.sum()
    return supervised + (-signs * lp * own).sum() / own.sum()


def returns(discount):
    total = torch.zeros(ROWS, dtype=f64)
    rewards = (teacher - old) * mask
    out = torch.zeros_like(rewards)
    for t in range(LENGTH - 1, -1, -1):
        total = rewards[:, t] + discount * total
        out[:, t] = total
    return out


@case
def on_policy_distillation(lp):
    """tinker-cookbook: the reverse KL of sampled tokens as their advantage, importance-weighted."""
    return constant(-torch.exp(lp - old) * returns(0.0), 1)


@case
def discounted_distillation(lp):
    """The same with a discount of 0.9."""
    return constant(-torch.exp(lp - old) * returns(0.9), 1)


def result(loss):
    lp = log_probs.clone().requires_grad_(True)
    value = loss(lp)
    value.backward()
    return {"loss": value.item(), "gradient": lp.grad.tolist()}


print(json.dumps({
    "logProbs": log_probs.tolist(),
    "oldLogProbs": old.tolist(),
    "entropies": entropies.tolist(),
    "mask": mask.tolist(),
    "rewards": right.tolist(),
    "given": given.tolist(),
    "teacherLogProbs": teacher.tolist(),
    "cases": {name: result(loss) for name, loss in CASES.items()},
}))
