"""Computes losses of whole entries of the registry, with options, as the code of their methods does.

    pip install -r scripts/methods/requirements.txt
    python scripts/methods/entries.py > tests/objectives/method_entries.json
    deno fmt tests/objectives/method_entries.json

A model is a bigram table: the logits of the next token are the last token's row. Everything is in f64,
and random with one seed. Each group of four answers ends with a demonstration, or with an answer that
begins with one; a row has no tokens to learn, another one only one. The test is
tests/objectives/method_entries.test.ts.
"""

import json
import math

import torch

torch.set_default_dtype(torch.float64)
torch.manual_seed(23)

V, B, T, GROUP = 5, 8, 7, 4
TEMPERATURE = 0.8
LONGEST = 9

policy = 1.5 * torch.randn(V, V)
reference = policy + 0.5 * torch.randn(V, V)
old = policy + 0.4 * torch.randn(V, V)
teacher = torch.randn(V, V)

# The first token that is learned, and the one behind the last.
SPANS = [(1, 5), (2, 7), (2, 2), (1, 6), (2, 5), (3, 4), (2, 7), (1, 7)]
ids = torch.randint(V, (B, T))
mask = torch.zeros(B, T)
for row, (start, end) in enumerate(SPANS):
    mask[row, start:end] = 1
rewards = torch.tensor([1.0, 0, 1, 1, 0, 0, 0, 1])


def marked(share):
    """The beginning of each answer that was given, by a share of its tokens."""
    given = torch.zeros(B, T)
    for row, (start, end) in enumerate(SPANS):
        given[row, start : start + math.ceil(share(row) * (end - start))] = 1
    return given


GIVEN = dict(
    nothing=marked(lambda row: 0),
    demonstrations=marked(lambda row: float(row % GROUP == GROUP - 1)),
    hint=marked(lambda row: 0.6 * float(row % GROUP == GROUP - 1)),
    hints=marked(lambda row: (0.5, 0.25, 0.0, 0.75)[row % GROUP]),
)

# The same answers, two tokens later, behind other prompts.
privileged_ids = torch.cat([torch.randint(V, (B, 2)), ids], 1)
privileged_mask = torch.cat([torch.zeros(B, 2), mask], 1)
before = privileged_mask.cumsum(1) == 0
privileged_ids = torch.where(before, torch.randint(V, privileged_ids.shape), privileged_ids)

m = mask[:, 1:]
lengths = m.sum(1)
answered = (lengths > 0).double()
right = (rewards >= 1).double()


def predictions(table, tokens=ids, temperature=TEMPERATURE):
    return torch.log_softmax(table[tokens[:, :-1]] / temperature, -1)


def of_tokens(table, temperature=TEMPERATURE):
    return predictions(table, temperature=temperature).gather(-1, ids[:, 1:, None])[..., 0]


old_log_probs, reference_log_probs, teacher_log_probs = (of_tokens(x) for x in (old, reference, teacher))


class Seen:
    """What a loss reads of a policy."""

    def __init__(self, table, temperature=TEMPERATURE):
        self.all = predictions(table, temperature=temperature)
        self.log_probs = of_tokens(table, temperature)
        self.probabilities = self.log_probs.exp()
        self.entropies = -(self.all.exp() * self.all).sum(-1)
        self.log_ratios = self.log_probs - old_log_probs
        self.ratios = self.log_ratios.exp()


def token_mean(x, over=m):
    return (x * over).sum() / over.sum()


def row_means(x, over=m):
    return (x * over).sum(1) / over.sum(1).clamp(min=1)


def constant(x, over=m):
    return (x * over).sum() / (B * LONGEST)


def sequence_mean(x):
    return row_means(x).sum() / answered.sum()


def centred(counted, scaled=False):
    """Rewards less the mean of those that count in their group, or z-scores of them."""
    advantages = torch.zeros(B)
    for rows in torch.arange(B).view(-1, GROUP):
        rows = rows[counted[rows] > 0]
        own = rewards[rows] - rewards[rows].mean()
        advantages[rows] = own / (rewards[rows].std() + 1e-4) if scaled else own
    return advantages[:, None]


def clipped(seen, advantages, low=0.2, high=0.2):
    return -torch.minimum(
        seen.ratios * advantages, seen.ratios.clamp(1 - low, 1 + high) * advantages
    )


def divergence(student, teacher, beta):
    """The generalized Jensen-Shannon divergence of log-probabilities."""
    if beta == 0:
        return (teacher.exp() * (teacher - student)).sum(-1)
    if beta == 1:
        return (student.exp() * (student - teacher)).sum(-1)
    mixture = (beta * teacher.exp() + (1 - beta) * student.exp()).log()
    of = lambda x: (x.exp() * (x - mixture)).sum(-1)
    return beta * of(teacher) + (1 - beta) * of(student)


CASES = []


def case(entry, given="nothing", step=0, **options):
    """A loss of the policy's table, the entry that it is of, and the entry's options."""

    def add(loss):
        table = policy.clone().requires_grad_()
        value = loss(table)
        value.backward()
        CASES.append(
            dict(
                entry=entry,
                given=given,
                step=step,
                options=options,
                loss=value.item(),
                gradient=table.grad.flatten().tolist(),
            )
        )
        return loss

    return add


# On demonstrations, at temperature 1. The reference is the policy of PSFT some steps ago.


demonstrated_reference = of_tokens(reference, 1)


@case("iw-sft")
def iw_sft(table):
    seen = Seen(table, 1)
    weights = (2 * row_means(seen.log_probs - demonstrated_reference)).exp().clamp(0, 16)
    return token_mean(-weights[:, None].detach() * seen.log_probs)


@case("psft", clipRange=0.1, normalizer="sequence")
def psft(table):
    ratios = (Seen(table, 1).log_probs - demonstrated_reference).exp()
    return sequence_mean(-torch.minimum(ratios, ratios.clamp(0.9, 1.1)))


@case("asft", anchor=0.3)
def asft(table):
    seen = Seen(table, 1)
    anchor = divergence(seen.all, predictions(reference, temperature=1), 0)
    return token_mean(-seen.probabilities.detach() * seen.log_probs + 0.3 * anchor)


@case("power-sft", power=1.7)
def power_sft(table):
    seen = Seen(table, 1)
    return token_mean(-(seen.probabilities**1.7).detach() * seen.log_probs)


# On rollouts


def negative_aware(scale):
    def loss(table):
        seen = Seen(table)
        total = 0
        for rows in torch.arange(B).view(-1, GROUP):
            counted = answered[rows]
            rate = ((right[rows] * counted).sum() / counted.sum()).clamp(0.02, 0.98)
            ratios = seen.log_ratios[rows].clamp(max=10).exp()
            left = (1 - rate * ratios) / (1 - rate)
            wrong = -torch.log(left + (left.clamp(min=1) - left).detach())
            weight = 1 - rate if scale == "none" else ((1 - rate) / rate) ** 0.5
            losses = torch.where(right[rows, None] == 1, -ratios.log(), wrong)
            total = total + (losses * weight * m[rows]).sum()
        return total / (B * LONGEST)

    return loss


for scale in ("none", "group"):
    case("nft", groupSize=GROUP, maxNewTokens=LONGEST, passScale=scale)(negative_aware(scale))


@case("weighted-reinforce", positiveWeight=0.3)
def weighted_reinforce(table):
    signs = torch.where(right == 1, 0.3, -1.0)[:, None]
    return token_mean(-signs * Seen(table).log_probs)


@case("dppo", groupSize=GROUP, trust=0.05, driftWeight=0.2)
def dppo(table):
    seen, advantages = Seen(table), centred(answered)
    moved = (seen.probabilities - old_log_probs.exp()).detach()
    beyond = ((advantages > 0) & (moved > 0.05)) | ((advantages < 0) & (moved < -0.05))
    return token_mean(-(~beyond).double() * seen.ratios * advantages + 0.2 * seen.log_ratios**2)


def demonstrations_among_own(of_given, entropy):
    """One loss of all tokens, divided by a constant, and the mean entropy of all of them."""

    def loss(table):
        seen, advantages = Seen(table), centred(answered)
        given = GIVEN["demonstrations"][:, 1:]
        losses = torch.where(given == 1, -of_given(seen) * advantages, -seen.ratios * advantages)
        return constant(losses) - entropy * token_mean(seen.entropies)

    return loss


def of_luffy(seen):
    return seen.probabilities / (seen.probabilities + 0.1)


def of_rl_plus(seen):
    behaviour = old_log_probs.exp()
    ratios = 2 * seen.probabilities / (behaviour + 0.5 * (behaviour + 1))
    return ratios * (1 - seen.probabilities.detach()) ** 0.5


mixed = dict(given="demonstrations", groupSize=GROUP)
bonus = dict(maxNewTokens=LONGEST, entropyWeight=0.05)
case("luffy", **mixed, **bonus)(demonstrations_among_own(of_luffy, 0.05))
case("rl-plus", **mixed, **bonus)(demonstrations_among_own(of_rl_plus, 0.05))

demonstrated = GIVEN["demonstrations"][:, 1:]
helped = (demonstrated.sum(1) > 0).double()
theirs, own = m * demonstrated, m * (1 - demonstrated)


def hybrid(gate):
    """Prompts whose pass rate is at the gate keep their demonstration, the others their answers."""

    def loss(table):
        seen = Seen(table)
        kept = m.clone()
        for rows in torch.arange(B).view(-1, GROUP):
            sampled = answered[rows] * (1 - helped[rows])
            passed = (sampled * right[rows]).sum() / sampled.sum() > gate
            kept[rows] = kept[rows] * (helped[rows] != float(passed)).double()[:, None]
        reinforced = constant(-centred(answered * (1 - helped)) * seen.log_probs, kept * own)
        supervised = token_mean(-seen.log_probs, kept * theirs) if (kept * theirs).any() else 0
        return reinforced + 0.7 * supervised - 0.05 * token_mean(seen.entropies, kept)

    return loss


for gate in (0, 0.4):
    case("hpt", **mixed, **bonus, gate=gate, demonstrationWeight=0.7)(hybrid(gate))


@case("srft", **mixed)
def srft(table):
    seen = Seen(table)
    entropies = row_means(seen.entropies).detach()[:, None]
    signs = torch.where(right[:, None] == 1, 0.1 * entropies.exp(), -1.0)
    supervised = token_mean(-0.5 * (-entropies).exp() * seen.log_probs, theirs)
    reinforced = token_mean(-centred(answered) * of_luffy(seen), theirs)
    return supervised + reinforced + token_mean(-signs * seen.log_probs, own)


def chord(weight, of_token):
    def loss(table):
        seen = Seen(table)
        reinforced = token_mean(clipped(seen, centred(answered * (1 - helped), scaled=True)), own)
        supervised = token_mean(-of_token(seen.probabilities.detach()) * seen.log_probs, theirs)
        return (1 - weight) * reinforced + weight * supervised

    return loss


case("chord", **mixed, mixture=0.35)(chord(0.35, lambda p: p * (1 - p)))
# Halfway down from the peak.
course = dict(mixturePeak=0.75, mixtureValley=0.25, mixtureWarmup=4, mixtureDecay=16)
case("chord-mu", step=12, **mixed, **course)(chord(0.5, lambda p: 1))


@case("relift", **mixed, **bonus)
def relift(table):
    seen = Seen(table)
    reinforced = constant(-centred(answered * (1 - helped)) * seen.ratios, own)
    return reinforced + token_mean(-seen.log_probs, theirs) - 0.05 * token_mean(seen.entropies)


def towards_reference(seen):
    x = reference_log_probs - seen.log_probs
    return x.exp() - x - 1


@case("uft", given="hints", groupSize=GROUP, hintWeight=0.02, klWeight=0.3)
def uft(table):
    seen = Seen(table)
    hints = GIVEN["hints"][:, 1:]
    losses = clipped(seen, centred(answered, scaled=True))
    continued = token_mean(towards_reference(seen), m * (1 - hints))
    return token_mean(torch.where(hints == 1, -0.02 * seen.log_probs, losses)) + 0.3 * continued


@case("prefix-rft", given="hint", groupSize=GROUP, **bonus, hintShare=0.4)
def prefix_rft(table):
    seen = Seen(table)
    hint = GIVEN["hint"][:, 1:]
    begun = (hint.sum(1) > 0).double()
    advantages = centred(answered * (1 - begun)).expand(B, T - 1).clone()
    for row in begun.nonzero()[:, 0].tolist():
        first = row - row % GROUP
        others = [r for r in range(first, first + GROUP) if r != row and answered[r]]
        advantages[row] = torch.where(hint[row] == 1, rewards[row] - rewards[others].mean(), rewards[row])
    losses = clipped(seen, advantages)
    losses = torch.where(advantages < 0, torch.minimum(losses, -3 * advantages), losses)
    places = hint.nonzero()
    order = seen.entropies[hint == 1].argsort()
    kept = torch.ones(B, T - 1)
    for row, place in places[order[: int(len(order) * 0.6)]].tolist():
        kept[row, place] = 0
    return constant(losses * kept) - 0.05 * token_mean(seen.entropies)


def returns(discount):
    total, out = torch.zeros(B), torch.zeros(B, T - 1)
    gaps = (teacher_log_probs - old_log_probs) * m
    for t in range(T - 2, -1, -1):
        total = gaps[:, t] + discount * total
        out[:, t] = total
    return out


case("on-policy-distillation", discount=0.6, maxNewTokens=LONGEST)(
    lambda table: constant(-Seen(table).ratios * returns(0.6))
)


def behind(table, temperature=TEMPERATURE):
    """Predictions of the answers' tokens behind the other prompts."""
    there = predictions(table, privileged_ids, temperature)
    return there[:, 2:]


def top(student, teacher, k):
    """The student's likeliest tokens, and one for all others."""
    places = student.topk(k, -1).indices

    def of(x):
        kept = x.gather(-1, places)
        return torch.cat([kept, torch.log1p(-kept.exp().sum(-1, keepdim=True))], -1)

    return of(student), of(teacher)


def self_distilled(average, share, live):
    def loss(table):
        seen = Seen(table)
        taught = behind(table.detach() if live else reference)
        weights = seen.log_ratios.detach().exp().clamp(max=2)
        return average(weights * divergence(*top(seen.all, taught, 2), share))

    return loss


selves = {"teacherShare": 0.3, "topK": 2}
case("sdft", **selves, self="frozen")(self_distilled(sequence_mean, 0.3, False))
case("sdft", **selves, self="live")(self_distilled(sequence_mean, 0.3, True))
case("sdpo", **selves, self="frozen", groupSize=GROUP)(self_distilled(token_mean, 0.3, False))


@case("opsd", teacherShare=0.5, divergenceTemperature=1.4)
def opsd(table):
    cooled = lambda x: torch.log_softmax(x / 1.4, -1)
    return token_mean(divergence(cooled(Seen(table).all), cooled(behind(reference)), 0.5))


def rounded(value):
    """Twelve digits: enough for 1e-9, and small."""
    if isinstance(value, dict):
        return {name: rounded(own) for name, own in value.items()}
    if isinstance(value, list):
        return [rounded(own) for own in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


print(
    json.dumps(
        {
            "temperature": TEMPERATURE,
            "tables": {
                name: table.tolist()
                for name, table in dict(policy=policy, reference=reference, old=old, teacher=teacher).items()
            },
            "ids": ids.tolist(),
            "mask": mask.tolist(),
            "privileged": {"ids": privileged_ids.tolist(), "mask": privileged_mask.tolist()},
            "rewards": rewards.tolist(),
            "given": {name: given.tolist() for name, given in GIVEN.items()},
            "cases": rounded(CASES),
        }
    )
)
