"""What may be a block, said with file, line, column and caret; and what models get wrong most, mended and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.checker.format import findings
from core.checker.repair import repaired

ROOT = Path(__file__).resolve().parent.parent.parent
GOOD = '''import torch
from torch import nn
from core.gab import GABBase


class GAB(GABBase):
    """Fine."""

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, ratio=4):
        super().__init__(embed_dim, block_loc)
        self.up = nn.Linear(embed_dim, embed_dim, device=device, dtype=dtype)

    def _forward(self, X, **Z):
        return X + self.up(X)


gab_config = {"ratio": 4}
'''


@pytest.mark.parametrize("path", [*sorted((ROOT / "library" / "designs").glob("*/gab.py")), ROOT / "tests" / "fixtures" / "genesys_gab.py"], ids=lambda p: p.parent.name)
def test_honest_files_have_no_findings_and_need_no_repair(path: Path):
    assert findings(path.read_text()) == []
    assert repaired(path.read_text()) == (path.read_text(), [])


@pytest.mark.parametrize(("change", "words"), [
    (lambda c: c.replace("nn.Linear(embed_dim,", "nn.Linear((embed_dim,"), r"gab.py:11:\d+: .*\n.*\n +\^"),
    (lambda c: c + "\u202e", "invisible character, RIGHT-TO-LEFT OVERRIDE"),
    (lambda c: c + "\x00", r"control character, U\+0000"),
    (lambda c: "# -*- coding: utf-7 -*-\n" + c, "encoding declaration, utf-7"),
    (lambda c: c + "#" * 70_000, "at most 65,536"),
    (lambda c: c + "x = " + "(" * 90 + "1" + ")" * 90, "nested 90 deep"),
    (lambda c: c.replace("import torch\n", "import torch, os\n"), r"gab.py:1:1: imports os\nimport torch, os\n\^"),
    (lambda c: c.replace("import torch\n", "from torch.distributed import all_reduce\n"), "imports torch.distributed"),
    (lambda c: c.replace("return X", "eval('1'); return X"), r"gab.py:14:9: calls eval"),
    (lambda c: c.replace("return X", "torch.load('x'); return X"), "calls torch.load"),
    (lambda c: c.replace("return X", "torch.equal = None; return X"), "assigns into a module"),
    (lambda c: c.replace("return X", "GAB.__subclasses__(); return X"), "uses .__subclasses__"),
    (lambda c: c.replace("def _forward", "def forward"), "GAB overrides forward"),
    (lambda c: c.replace("block_loc, device=None, dtype=None, ratio", "ratio"), "takes no block_loc, device, dtype"),
    (lambda c: c + c[c.index("class GAB"):], r"2 classes GAB \(line 6, line 18\)"),
    (lambda c: c.replace("gab_config", "config"), "no gab_config"),
    (lambda c: c.replace("(GABBase)", ""), "derives from nothing"),
])
def test_each_fault_is_named_with_its_place_and_mend(change, words: str):
    import re

    found = findings(change(GOOD))
    assert re.search(words, "\n".join(map(str, found)))
    assert all(f.mend for f in found)


@pytest.mark.parametrize(("change", "name"), [
    (lambda c: f"Here is the block:\n```python\n{c}```\nIt is good.", "without the Markdown fences"),
    (lambda c: c.replace("GAB(", "MyBlock(", 1), "the block is called GAB"),
    (lambda c: c.replace("(GABBase)", "(nn.Module)"), "GAB derives from GABBase"),
    (lambda c: c.replace("def _forward", "def forward"), "_forward, not forward"),
    (lambda c: c.replace(", device=None, dtype=None, ratio=4", ", ratio=4").replace(", device=device, dtype=dtype", ""), "the constructor takes device and dtype"),
    (lambda c: c.replace("super().__init__(embed_dim, block_loc)", "super().__init__()"), "super().__init__ gets embed_dim and block_loc"),
    (lambda c: c.replace("        super().__init__(embed_dim, block_loc)\n", ""), "super().__init__ gets embed_dim and block_loc"),
    (lambda c: c.replace("        return X", "        print('shape', X.shape)\n        return X"), "without prints"),
    (lambda c: c[: c.index("gab_config")], "a gab_config"),
    (lambda c: c.replace("import torch\nfrom torch import nn\nfrom core.gab import GABBase\n", ""), "the missing imports"),
    (lambda c: c.replace("self.up(X)", "F.silu(einops.rearrange(self.up(X), 'b l d -> b l d')) * math.pi"), "the missing imports"),
])
def test_each_repair_gives_a_block_that_loads_and_says_what_it_did(change, name: str):
    from core.gab.model import GAM, load_block

    mended, repairs = repaired(change(GOOD))
    assert name in [r.name for r in repairs]
    assert all(r.diff.startswith("--- as it was") for r in repairs)
    assert findings(mended) == []
    block, config = load_block(mended)
    GAM(block, config, 11, 16, 1)


def test_what_cannot_be_parsed_is_left_alone():
    broken = GOOD.replace("return X", "return (X")
    assert repaired(broken) == (broken, [])
