"""Writes the merges that Python's tokenizers learns from texts, for the tests of @unitune/models.

    pip install -r scripts/golden/requirements.txt
    python scripts/golden/byte_pairs.py > tests/models/text_vectors/byte_pairs.json
"""

import json
import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIAL = ["<pad>", "<stop>", "<system>", "<user>", "<assistant>"]

STORY = [
    "The fox that lives behind the mill isn't afraid of us. It'll come at noon, and we've seen it "
    "at midnight, too: it's always the same fox, always at the same stone.\n",
    "In 1999 there were 12 foxes, in 2009 120, and in 2019 1,200; who'd have counted on that?\n\n"
    "\tA list:\r\n\t- one fox\n\t- two foxes\n\t- three  foxes\n    ----------------\n",
    "Füchse, лисы, 狐狸と狐, 🦊🦊🦊 e\u0301\u00e9, a\u0085b\u00a0c\u2028d\ufeffe\u200bf, <stop> and <user>.",
    "banana bandana ananas aaaa aaaaaaa aaaaaaaaaaaaaaa ======= === ==  == =",
]


def random_texts(letters, seed):
    """Texts of few letters, in which many pairs have equal counts."""
    draw = random.Random(seed)
    return ["".join(draw.choice(letters) for _ in range(200)) for _ in range(2)]


def case(texts, vocabulary):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=SPECIAL, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts, trainer)
    return {
        "texts": texts,
        "vocabulary": vocabulary,
        "merges": json.loads(tokenizer.to_str())["model"]["merges"],
        "size": tokenizer.get_vocab_size(),
        "ids": [tokenizer.encode(text).ids for text in texts],
    }


print(json.dumps([
    case(STORY, 261),
    case(STORY, 300),
    case(STORY, 400),
    case(STORY, 2000),
    case(random_texts("ab", 0), 400),
    case(random_texts("abc '", 1), 350),
    case(random_texts(" \n\t-=", 2), 350),
    case([], 300),
], ensure_ascii=True))
