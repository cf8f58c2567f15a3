"""Lists the keys of TRL's configurations with their defaults, for the tests of cli/config.

    pip install -r scripts/trl/requirements.txt
    python scripts/trl/keys.py > tests/cli/config/trl_keys.json

The classes are those that the commands of `trl` read, and those of some experimental trainers. A default that JSON cannot write is its text.
"""

import dataclasses
import json

import trl
from trl.experimental.cpo import CPOConfig
from trl.experimental.gkd import GKDConfig
from trl.experimental.tpo import TPOConfig
from trl.scripts.grpo import GRPOScriptArguments
from trl.scripts.rloo import RLOOScriptArguments

CLASSES = [trl.SFTConfig, trl.DPOConfig, trl.KTOConfig, trl.GRPOConfig, trl.RLOOConfig,
           trl.RewardConfig, trl.DistillationConfig, trl.ModelConfig, trl.ScriptArguments,
           GRPOScriptArguments, RLOOScriptArguments, trl.DatasetMixtureConfig,
           CPOConfig, TPOConfig, GKDConfig]


def default(field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


print(json.dumps({
    "version": trl.__version__,
    "classes": {cls.__name__: {field.name: default(field) for field in dataclasses.fields(cls)}
                for cls in CLASSES},
}, indent=1, default=str))
