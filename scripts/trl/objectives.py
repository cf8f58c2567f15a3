"""Computes losses and gradients of objectives as TRL does, for the tests of objectives.

    pip install -r scripts/trl/requirements.txt
    python scripts/trl/objectives.py > tests/objectives/trl_objectives.json
    deno fmt tests/objectives/trl_objectives.json

The losses are those of TRL's trainers, whose methods run on trainers without a constructor. A model is a
bigram table: the logits of the next token are the last token's row. Everything is in f64, and random
with one seed. Rows are padded on the right, so that TRL's prompts are each row's first tokens.
"""

import json
import sys
from collections import defaultdict
from types import SimpleNamespace

import torch
import trl
from trl.experimental.a2po.a2po_trainer import A2POTrainer
from trl.experimental.bco.bco_trainer import BCOTrainer, RunningMoments
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.gkd.gkd_trainer import GKDTrainer
from trl.experimental.gmpo.gmpo_trainer import GMPOTrainer
from trl.experimental.gold.gold_trainer import GOLDTrainer
from trl.experimental.gspo_token.grpo_trainer import GRPOTrainer as GSPOTokenTrainer
from trl.experimental.iw_opd.iw_opd_trainer import IWOPDTrainer
from trl.experimental.minillm.minillm_trainer import MiniLLMTrainer
from trl.experimental.nash_md.nash_md_trainer import NashMDTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.experimental.tpo.tpo_trainer import TPOTrainer
from trl.experimental.xpo.xpo_trainer import XPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.reward_trainer import RewardTrainer
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import selective_log_softmax

torch.set_default_dtype(torch.float64)
torch.manual_seed(20)
torch.Tensor.float = lambda self: self.double()

V, B, T, GROUP = 5, 4, 7, 2
LONGEST = T - 2

policy = torch.randn(V, V)
reference = policy + 0.4 * torch.randn(V, V)
old = policy + 0.3 * torch.randn(V, V)
teacher = torch.randn(V, V)


def answers():
    """Rows of a prompt of two tokens, an answer of two to five, and padding."""
    ids = torch.randint(V, (B, T))
    lengths = torch.randint(2, LONGEST + 1, (B,))
    places = torch.arange(T)
    mask = ((places >= 2) & (places < 2 + lengths.unsqueeze(1))).long()
    return SimpleNamespace(ids=ids, mask=mask)


chosen, rejected, gold, rollouts, mismatched = (answers() for _ in range(5))
labels = torch.tensor([1, 0, 1, 0])
rewards = torch.randn(B, 2)
total = rewards @ torch.tensor([1.0, 0.5])
EVERY = dict(chosen=chosen, rejected=rejected, gold=gold, rollouts=rollouts, mismatched=mismatched)


class Accelerator:
    """One process: what is gathered is what is there."""

    device = torch.device("cpu")
    num_processes = 1
    is_main_process = True
    sync_gradients = True

    def __getattr__(self, name):
        return lambda x, *args, **kwargs: x


class Bigrams(torch.nn.Module):
    """A model: the logits of the next token are the last token's row of a table."""

    def __init__(self, table):
        super().__init__()
        # Beside the module's own parameters, so that the table may be any tensor.
        self.__dict__["table"] = table

    def forward(self, input_ids, **kwargs):
        return SimpleNamespace(logits=self.table[input_ids])


class Training(torch.nn.Module):
    """The model in training, which is asked for no more than that."""

    is_gradient_checkpointing = False


def trainer(of, **attributes):
    made = object.__new__(of)
    shared = dict(
        accelerator=Accelerator(),
        model=Training(),
        aux_loss_enabled=False,
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
        ref_model=Bigrams(reference),
        teacher_model=Bigrams(teacher),
        label_smoothing=0.0,
        use_weighting=False,
        ld_alpha=None,
        f_divergence_type="reverse_kl",
        precompute_ref_logps=False,
        current_gradient_accumulation_steps=1,
        use_vllm=False,
        is_encoder_decoder=False,
    )
    made.__dict__.update({**shared, **attributes})
    return made


def found(loss):
    """A loss of the policy's table with its gradient."""
    table = policy.clone().requires_grad_()
    value = loss(table)
    value.backward()
    return {"loss": value.item(), "gradient": table.grad.flatten().tolist()}


def token_log_probs(table, rows):
    return selective_log_softmax(table[rows.ids[:, :-1]], rows.ids[:, 1:])


def summed(table, rows):
    return (token_log_probs(table, rows) * rows.mask[:, 1:]).sum(1)


def sides(*rows):
    ids, mask = (torch.cat([getattr(row, part) for row in rows]) for part in ("ids", "mask"))
    return dict(input_ids=ids, attention_mask=torch.ones_like(ids), completion_mask=mask)


# DPOTrainer


def dpo(loss_type, beta=0.1, **options):
    own = trainer(
        DPOTrainer,
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=beta,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None, discopop_tau=0.05),
        **options,
    )
    return found(lambda table: own._compute_loss(Bigrams(table), sides(chosen, rejected), False))


# KTOTrainer, BCOTrainer


def kto(loss_type):
    own = trainer(
        KTOTrainer,
        loss_type=loss_type,
        beta=0.1,
        desirable_weight=1.0,
        undesirable_weight=1.0,
        calculate_KL=loss_type == "kto",
        use_liger_kernel=False,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
    )
    inputs = {
        **sides(chosen),
        "label": labels.bool(),
        "KL_input_ids": mismatched.ids,
        "KL_attention_mask": torch.ones_like(mismatched.ids),
        "KL_completion_mask": mismatched.mask,
    }
    return found(lambda table: own._compute_loss(Bigrams(table), inputs, False))


def bco(steps):
    own = trainer(BCOTrainer, beta=0.1, running=RunningMoments(Accelerator()), embedding_func=None)

    def loss(table):
        """The last of some steps, each of which has added its rewards to the running mean."""
        for rows in steps:
            ours, theirs = summed(table, rows), summed(reference, rows)
            liked, other = labels == 1, labels == 0
            losses = own.bco_loss(ours[liked], ours[other], theirs[liked], theirs[other], None, None)[0]
        return losses.nanmean()

    return found(loss)


# CPOTrainer, ORPOTrainer, TPOTrainer


def cpo(loss_type, beta=0.1, cpo_alpha=1.0, alpha=0.0, simpo_gamma=0.5, label_smoothing=0.0):
    own = trainer(
        CPOTrainer,
        loss_type=loss_type,
        beta=beta,
        cpo_alpha=cpo_alpha,
        alpha=alpha,
        simpo_gamma=simpo_gamma,
        label_smoothing=label_smoothing,
        pad_token_id=0,
    )

    def side(rows, name):
        return {
            f"{name}_input_ids": rows.ids,
            f"{name}_attention_mask": torch.ones_like(rows.ids),
            f"{name}_labels": torch.where(rows.mask == 1, rows.ids, -100),
        }

    batch = {**side(chosen, "chosen"), **side(rejected, "rejected")}
    return found(lambda table: own.get_batch_loss_metrics(Bigrams(table), batch)[0])


def orpo():
    own = trainer(ORPOTrainer, beta=0.1)

    def loss(table):
        averages = [summed(table, rows) / rows.mask.sum(1) for rows in (chosen, rejected)]
        odds = own.odds_ratio_loss(*averages)[0]
        # The prompt is left out of the likelihood, which is that of each answer.
        return -(averages[0] + odds).mean()

    return found(loss)


def tpo(loss_type, beta=0.01, gamma=0.5):
    own = trainer(TPOTrainer, loss_type=loss_type, beta=beta, tpo_alpha=1.0, tpo_l_gamma=gamma)
    return found(lambda table: own._compute_loss(Bigrams(table), sides(chosen, rejected, gold), False))


# GRPOTrainer and its kin


def completions(rows=rollouts):
    """A batch of TRL; the first two tokens are the prompt."""
    return dict(
        prompt_ids=rows.ids[:, :2],
        prompt_mask=torch.ones_like(rows.ids[:, :2]),
        completion_ids=rows.ids[:, 2:],
        completion_mask=rows.mask[:, 2:],
        old_per_token_logps=token_log_probs(old, rows)[:, 1:],
        ref_per_token_logps=token_log_probs(reference, rows)[:, 1:],
        num_items_in_batch=rows.mask.sum(),
    )


def entropies_of(table, rows):
    log_probs = torch.log_softmax(table[rows.ids[:, :-1]], -1)
    return -(log_probs.exp() * log_probs).sum(-1)


def grouped():
    """GRPO's advantages, by its own lines: z-scores in groups, of unbiased deviations."""
    groups = total.view(-1, GROUP)
    centred = groups - groups.mean(1, keepdim=True)
    return (centred / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def decoupled():
    """GDPO's advantages: rewards z-scored one by one in groups, summed, z-scored over the batch."""
    groups = rewards.view(-1, GROUP, 2)
    scored = (groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)
    summed_up = scored.view(-1, 2) @ torch.tensor([1.0, 0.5])
    return (summed_up - summed_up.mean()) / (summed_up.std() + 1e-4)


ADVANTAGES = grouped()


def grpo(of=GRPOTrainer, advantages=None, entropy=None, memory=None, **options):
    defaults = dict(
        loss_type="grpo",
        importance_sampling_level="token",
        epsilon_low=0.2,
        epsilon_high=0.2,
        beta=0.0,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        max_completion_length=LONGEST,
        _entropy_bonus_enabled=entropy is not None,
        use_adaptive_entropy=memory is not None,
        entropy_coef=entropy,
    )
    arguments = dict(
        delta=None,
        use_bias_correction_kl=False,
        steps_per_generation=1,
        sapo_temperature_pos=1.0,
        sapo_temperature_neg=1.05,
        vespo_k_pos=2.0,
        vespo_lambda_pos=3.0,
        vespo_k_neg=3.0,
        vespo_lambda_neg=2.0,
    )
    arguments.update({name: options.pop(name) for name in list(options) if name in arguments})
    if memory is not None:
        arguments.update(memory["args"])
    own = trainer(of, **{**defaults, **options}, args=SimpleNamespace(**arguments))
    if memory is not None:
        own._last_world_entropy, own._entropy_window_stats = memory["last"], None

    def loss(table):
        own._get_per_token_logps_and_entropies = lambda *args, **kwargs: (
            token_log_probs(table, rollouts)[:, 1:],
            entropies_of(table, rollouts)[:, 1:],
            None,
        )
        given = ADVANTAGES if advantages is None else advantages
        return own._compute_loss(None, {**completions(), "advantages": given})

    result = found(loss)
    if memory is not None:
        result["next"] = own.entropy_coef
    return result


def adaptive(coefficient, last, target):
    args = dict(entropy_target=target, entropy_coef_delta=0.005, entropy_coef_min=0.0, entropy_coef_max=1.0)
    return grpo(entropy=coefficient, memory=dict(last=last, args=args))


def rloo():
    groups = total.view(-1, GROUP)
    others = (groups.sum(1, keepdim=True) - groups) / (GROUP - 1)
    own = trainer(RLOOTrainer, beta=0.0, epsilon_low=0.2, epsilon_high=0.2, normalize_advantages=False)

    def loss(table):
        own._get_per_token_logps_and_entropies = lambda *args, **kwargs: (
            token_log_probs(table, rollouts)[:, 1:],
            entropies_of(table, rollouts)[:, 1:],
            None,
        )
        before = (token_log_probs(old, rollouts) * rollouts.mask[:, 1:]).sum(1)
        advantages = (groups - others).flatten()
        return own._compute_loss(None, {**completions(), "old_logps": before, "advantages": advantages})

    return found(loss)


# Two answers to each prompt, the second of another model


def seconds():
    return [SimpleNamespace(ids=rollouts.ids[k::2], mask=rollouts.mask[k::2]) for k in (0, 1)]


def masked(table, rows):
    return token_log_probs(table, rows) * rows.mask[:, 1:]


def xpo(beta=0.1, alpha=1e-5):
    own = trainer(XPOTrainer, _beta=[beta], _alpha=[alpha], state=SimpleNamespace(epoch=0))
    own.args = SimpleNamespace(loss_type="sigmoid", beta=beta, alpha=alpha)
    ours, theirs = seconds()
    wins = total[0::2] >= total[1::2]
    return found(
        lambda table: own._compute_losses(
            masked(table, ours), masked(table, theirs), masked(reference, theirs), masked(reference, ours), wins
        )[0]
    )


def nash_md(beta=0.1):
    own = trainer(NashMDTrainer, _beta=[beta], state=SimpleNamespace(epoch=0))
    own.args = SimpleNamespace(beta=beta)
    ours, _ = seconds()
    probability = torch.sigmoid(total[0::2] - total[1::2])
    return found(
        lambda table: own._compute_losses(masked(table, ours), masked(reference, ours), probability)[0]
    )


def a2po(beta1=0.5, beta2=1e-3):
    """One answer of the policy to a prompt, whose value is estimated from the other of its group."""
    own = trainer(A2POTrainer, args=SimpleNamespace(beta2=beta2), model_kwarg_keys=[])
    ours, _ = seconds()
    value = beta1 * torch.logsumexp(total.view(-1, GROUP)[:, 1:] / beta1, dim=1)
    # Attention to the prompt and the answer.
    attention = ours.mask.clone()
    attention[:, :2] = 1
    inputs = dict(input_ids=ours.ids, attention_mask=attention, logits_to_keep=LONGEST, rewards=total[0::2])
    inputs.update(v_star=value, ref_logps=summed(reference, ours))
    return found(lambda table: own.compute_loss(Bigrams(table), inputs))


# Distillation


INPUTS = rollouts.ids[:, :-1]
LABELS = torch.where(rollouts.mask == 1, rollouts.ids, -100)[:, 1:]


def jsd(of, beta, temperature):
    return found(
        lambda table: of.generalized_jsd_loss(
            table[INPUTS], teacher[INPUTS], labels=LABELS, beta=beta, temperature=temperature
        )
    )


def minillm(gamma):
    """The advantages are of the policy that sampled, so constant, and padding is masked."""
    own = trainer(MiniLLMTrainer, gamma=gamma, length_normalization=True)
    advantages = torch.zeros(B, LONGEST)
    for row in range(B):
        ours, theirs = (
            token_log_probs(table, rollouts)[row][rollouts.mask[row, 1:] == 1] for table in (old, teacher)
        )
        advantages[row, : len(ours)] = own._compute_advantage(ours[None], theirs[None])[0]
    surrogate = grpo(of=MiniLLMTrainer, loss_type="dapo", advantages=advantages)
    single = found(
        lambda table: own._single_step_decomposition_loss(
            *(torch.log_softmax(of[INPUTS], -1) for of in (table, teacher)), mask=rollouts.mask[:, 1:] == 1
        )
    )
    gradient = [a + b for a, b in zip(surrogate["gradient"], single["gradient"])]
    return {"loss": surrogate["loss"] + single["loss"], "gradient": gradient}


def iw_opd():
    own = trainer(IWOPDTrainer, temperature=1.0, iw_opd_gamma=0.5, iw_opd_epsilon=1e-8)
    return found(
        lambda table: own._compute_iw_opd_loss(
            table[INPUTS],
            rollouts.ids[:, 1:],
            LABELS,
            token_log_probs(teacher, rollouts),
            rollout_logprobs=token_log_probs(old, rollouts),
        )
    )


CASES = {
    "dpo": lambda: dpo("sigmoid"),
    "dpo-norm": lambda: dpo("sigmoid_norm"),
    "ld-dpo": lambda: dpo("sigmoid", ld_alpha=0.5),
    "ld-dpo of ipo": lambda: dpo("ipo", ld_alpha=0.2),
    "wpo": lambda: dpo("sigmoid", use_weighting=True),
    "wpo of ipo": lambda: dpo("ipo", use_weighting=True),
    "hinge": lambda: dpo("hinge"),
    "ipo": lambda: dpo("ipo"),
    "exo": lambda: dpo("exo_pair", label_smoothing=1e-3),
    "nca": lambda: dpo("nca_pair"),
    "robust": lambda: dpo("robust", label_smoothing=0.1),
    "bco": lambda: dpo("bco_pair"),
    "sppo": lambda: dpo("sppo_hard"),
    "aot": lambda: dpo("aot"),
    "aot-unpaired": lambda: dpo("aot_unpaired"),
    "apo-zero": lambda: dpo("apo_zero"),
    "apo-down": lambda: dpo("apo_down"),
    "discopop": lambda: dpo("discopop"),
    "kto": lambda: kto("kto"),
    "apo-zero-unpaired": lambda: kto("apo_zero_unpaired"),
    "bco-unpaired": lambda: bco([chosen]),
    "bco-unpaired after a step": lambda: bco([rejected, chosen]),
    "cpo": lambda: cpo("sigmoid"),
    "simpo": lambda: cpo("simpo", beta=2.0, cpo_alpha=0.0, simpo_gamma=1.0),
    "alpha-po": lambda: cpo("simpo", beta=2.5, cpo_alpha=0.0, simpo_gamma=0.1, alpha=0.25),
    "orpo": orpo,
    "tpo": lambda: tpo("sigmoid"),
    "tpo of hinge": lambda: tpo("hinge"),
    "tpo of ipo": lambda: tpo("ipo"),
    "tpo of tpo-l": lambda: tpo("tpo-l"),
    "grpo": lambda: grpo(),
    "grpo-kl": lambda: grpo(beta=0.04),
    "grpo-kl, bias corrected": lambda: grpo(beta=0.04, use_bias_correction_kl=True),
    "dapo": lambda: grpo(loss_type="dapo", epsilon_high=0.28),
    "dr-grpo": lambda: grpo(loss_type="dr_grpo"),
    "gspo": lambda: grpo(importance_sampling_level="sequence", epsilon_low=3e-4, epsilon_high=4e-4),
    "gspo-token": lambda: grpo(
        of=GSPOTokenTrainer, importance_sampling_level="sequence_token", epsilon_low=3e-4, epsilon_high=4e-4
    ),
    "luspo": lambda: grpo(
        loss_type="luspo", importance_sampling_level="sequence", epsilon_low=2e-3, epsilon_high=2.5e-3
    ),
    "cispo": lambda: grpo(loss_type="cispo", epsilon_high=5.0),
    "sapo": lambda: grpo(loss_type="sapo"),
    "vespo": lambda: grpo(loss_type="vespo"),
    "gmpo": lambda: grpo(of=GMPOTrainer, epsilon_low=0.4, epsilon_high=0.4),
    "gdpo": lambda: grpo(loss_type="dapo", advantages=decoupled()),
    "entropy quantile": lambda: grpo(loss_type="dapo", epsilon_high=0.28, top_entropy_quantile=0.2),
    "off-policy mask": lambda: grpo(off_policy_mask_threshold=0.05),
    "adaptive entropy, closed": lambda: adaptive(0.01, float("inf"), 0.2),
    "adaptive entropy, open": lambda: adaptive(0.01, 0.1, 2.0),
    "rloo": rloo,
    "xpo": lambda: xpo(alpha=0.01),
    "a-star-po": lambda: a2po(beta2=0.1),
    "nash-md": nash_md,
    "gold": lambda: jsd(GOLDTrainer, 0.5, 0.9),
    "gkd": lambda: jsd(GKDTrainer, 0.5, 0.9),
    "minillm": lambda: minillm(0.0),
    "minillm, discounted": lambda: minillm(0.9),
    "iw-opd": iw_opd,
}


def listed(rows):
    return {"ids": rows.ids.tolist(), "mask": rows.mask.tolist()}


def rounded(value):
    """Twelve digits: enough for 1e-6, and small."""
    if isinstance(value, dict):
        return {name: rounded(own) for name, own in value.items()}
    if isinstance(value, list):
        return [rounded(own) for own in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


tables = dict(policy=policy, reference=reference, old=old, teacher=teacher, rewards=rewards)
cases = {}
for name, compute in CASES.items():
    try:
        cases[name] = rounded(compute())
    except Exception as error:
        raise RuntimeError(name) from error
print(
    json.dumps(
        {
            "version": trl.__version__,
            "tables": {name: table.tolist() for name, table in tables.items()},
            "rows": {name: listed(rows) for name, rows in EVERY.items()},
            "labels": labels.tolist(),
            "cases": cases,
        }
    )
)
