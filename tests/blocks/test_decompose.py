"""Trees and files are one: composing and reading back, editing, and what is said when it does not fit."""

from __future__ import annotations

import ast
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.agents.variation import Vocabulary
from core.errors import CodeError, UnitError
from core.gab.canonical import canonical_hash, code_distance
from core.gab.decompose import decompose
from core.gab.edit import delete, graft, swap
from core.gab.references import load_references
from core.gab.structure import distance, structural_hash
from core.gab.units import UnitLibrary
from core.types import UnitTree

ROOT = Path(__file__).resolve().parent.parent.parent
LIBRARY = UnitLibrary(ROOT / "library" / "units")
REFERENCES = {r.slug: r for r in load_references(ROOT / "library")}
OWN = '''
class Halved(GAUBase):
    """Half of what comes in, and a shift."""

    kind = "mixer"

    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, by: float = 0.5):
        super().__init__(embed_dim, block_loc)
        self.by = by

    def _forward(self, X):
        return half(X, self.by)
'''


def with_own_unit() -> str:
    code = REFERENCES["llama"].code
    tree = code.index("TREE = unit(")
    attention = code[code.index("mixer=unit(") : code.index("channel=unit(")]
    return (code[:tree] + "def half(X, by):\n    return X * by\n\n" + OWN + "\n\n" + code[tree:]).replace(attention, "mixer=unit(Halved, by=0.25),\n    ").replace(
        code[code.index("gab_config = ") :].splitlines()[0], "gab_config = {'mixer__by': 0.125, 'channel__ratio': 2.667}")


@pytest.mark.parametrize("slug", sorted(REFERENCES))
def test_a_reference_reads_back_as_its_design_yaml(slug: str):
    ref = REFERENCES[slug]
    found = decompose(ref.code, LIBRARY)
    assert found.tree == LIBRARY.full(ref.units)
    assert not found.library.own


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_any_tree_of_the_grammar_comes_back(seed: int):
    tree = LIBRARY.full(Vocabulary(LIBRARY).fresh("block", Random(seed)))
    code = LIBRARY.compose(tree, "title")
    found = decompose(code, LIBRARY)
    assert found.tree == tree
    assert found.library.compose(found.tree, "title") == code


def test_own_units_travel_with_the_tree():
    found = decompose(with_own_unit(), LIBRARY)
    assert found.tree.children["mixer"] == UnitTree("halved", {"by": 0.125}), "gab_config is what counts"
    assert [info.name for info in found.library.own] == ["halved"]
    again = found.library.compose(found.tree, "again")
    assert "def half(X, by)" in again
    assert decompose(again, LIBRARY).tree == found.tree
    moved = graft(LIBRARY.full(REFERENCES["gla"].units), ("mixer",), found.tree.children["mixer"], found.library)
    compile(found.library.compose(moved, "moved"), "gab.py", "exec")


def test_a_changed_library_unit_is_an_own_one():
    code = REFERENCES["llama"].code.replace("eps=1e-6", "eps=1e-5")
    found = decompose(code, LIBRARY)
    assert found.tree.children["norm"].unit.startswith("rms_norm_")
    assert "eps=1e-5" in found.library.compose(found.tree, "again")


def test_a_flat_file_is_a_tree_of_one_unit():
    code = "from core.gab import GABBase\nclass GAB(GABBase):\n    def _forward(self, X):\n        return X\ngab_config = {}\n"
    found = decompose(code, LIBRARY)
    assert found.flat
    assert len(found.tree.walk()) == 1
    assert found.library.compose(found.tree, "any") == code
    with pytest.raises(UnitError, match="flat"):
        found.library.compose(UnitTree("hybrid", {}, {"a": found.tree, "b": REFERENCES["llama"].units}), "mixed")


@pytest.mark.parametrize(("change", "error", "words"), [
    (lambda c: c.replace("class GAB(", "class GAX("), CodeError, r"gab\.py: 0 classes GAB"),
    (lambda c: c + "\nclass GAB(ComposedGAB):\n    tree = TREE\n", CodeError, r"2 classes GAB \(line \d+, line \d+\)"),
    (lambda c: c.replace("norm=unit(RMSNorm)", "norm=TREE"), UnitError, r"gab\.py:\d+: block.*TREE → TREE is a cycle of units"),
    (lambda c: c.replace("unit(RMSNorm)", "unit(Nothing)", 1), UnitError, r"gab\.py:\d+: block\.norm: there is no class Nothing"),
    (lambda c: c.replace("norm=unit(RMSNorm)", "norm=unit(SwiGLU)"), UnitError, r"block\.norm: swiglu is a channel, a norm belongs here"),
    (lambda c: c.replace("heads=4", "heads=f()"), UnitError, r"gab\.py:\d+: block\.mixer: attention\.heads is no literal"),
    (lambda c: c.replace("TREE = unit(", "TREE = made("), UnitError, r"gab\.py:\d+: block: not unit\(Class"),
    (lambda c: c[: c.index("gab_config")] + c[c.index("class GAB(") :], CodeError, "no literal gab_config"),
    (lambda c: c + "(", CodeError, r"gab\.py:\d+: "),
])
def test_what_does_not_fit_is_named_with_line_and_unit(change, error, words: str):
    with pytest.raises(error, match=words):
        decompose(change(REFERENCES["llama"].code), LIBRARY)


def test_a_unit_that_reads_what_nobody_writes_is_refused(tmp_path: Path):
    code = with_own_unit().replace("def _forward(self, X):\n        return half", "def _forward(self, X, memory):\n        return half")
    with pytest.raises(UnitError, match=r"block\.mixer: halved reads Z\['memory'\], which no unit of the block writes"):
        decompose(code, LIBRARY)
    decompose(code.replace('    kind = "mixer"\n\n    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, by',
                           '    kind = "mixer"\n    writes = {"memory": "what was"}\n\n    def __init__(self, embed_dim, block_loc, device=None, dtype=None, *, by'), LIBRARY)


def test_swap_graft_and_delete_keep_the_tree_whole():
    llama = LIBRARY.full(REFERENCES["llama"].units)
    swapped = swap(llama, ("mixer",), "sliding_window_attention", LIBRARY)
    assert swapped.children["mixer"].config == {"heads": 4}
    assert swapped.children["mixer"].children == llama.children["mixer"].children
    assert graft(llama, ("mixer", "gate"), UnitTree("silu_gate"), LIBRARY).at(("mixer", "gate")).unit == "silu_gate"
    assert "position" not in delete(llama, ("mixer", "position"), LIBRARY).children["mixer"].children
    for wrong, words in (
            (lambda: delete(llama, ("norm",), LIBRARY), "block: pre_norm's slot 'norm' is empty"),
            (lambda: delete(llama, (), LIBRARY), "the root cannot be deleted"),
            (lambda: delete(llama, ("mixer", "gate"), LIBRARY), "block.mixer: attention has nothing in slot 'gate'"),
            (lambda: swap(llama, ("mixer",), "swiglu", LIBRARY), "block.mixer: swiglu is a channel"),
            (lambda: graft(llama, ("mixer", "norm"), UnitTree("rms_norm"), LIBRARY), "attention has no slot 'norm'"),
            (lambda: swap(llama, ("mixer",), "nothing", LIBRARY), "there is no unit 'nothing'")):
        with pytest.raises(UnitError, match=words.replace("(", r"\(")):
            wrong()


FLAT = '''
"""A block."""
import torch.nn as nn
from core.gab import GABBase

class Mixer(nn.Module):
    def __init__(self, width, n_heads=2, depth=1):
        super().__init__()
        self.proj = nn.Linear(width, width, bias=False)
        self.heads = n_heads  # how many

    def forward(self, x):
        hidden = self.proj(x)
        return hidden * self.heads

class GAB(GABBase):
    def __init__(self, embed_dim: int, block_loc, device=None, dtype=None, n_heads=2, depth=1):
        super().__init__(embed_dim, block_loc)
        self.mixer = Mixer(embed_dim, n_heads=n_heads, depth=depth)

    def _forward(self, X, **Z):
        return X + self.mixer(X)

gab_config = {"n_heads": 2, "depth": 1}
'''


def test_the_hash_sees_through_names_comments_and_order():
    renamed = FLAT
    for old, new in (("Mixer", "Blend"), ("self.mixer", "self.blend"), ("hidden", "h"), ("n_heads", "count"), ("self.heads", "self.c"), ("proj", "w"), ("width", "d"),
                     ("# how many", ""), ('"""A block."""', '"""Other words."""'), ("count=count, depth=depth", "depth=depth, count=count"),
                     ('{"count": 2, "depth": 1}', '{"depth": 1, "count": 2}'), ("embed_dim: int", "embed_dim")):
        assert old in renamed
        renamed = renamed.replace(old, new)
    assert canonical_hash(renamed) == canonical_hash(FLAT)
    for old, new in (("bias=False", "bias=True"), ("hidden * self", "hidden + self"), ("nn.Linear", "nn.Bilinear"), ('"depth": 1}', '"depth": 2}')):
        assert canonical_hash(FLAT.replace(old, new)) != canonical_hash(FLAT)
    assert code_distance(FLAT, renamed) < 0.2 < code_distance(FLAT, REFERENCES["mamba"].code)


def test_trees_hash_alike_whatever_the_order_of_their_keywords():
    tree = REFERENCES["griffin"].units

    def turned(node: UnitTree) -> UnitTree:
        return UnitTree(node.unit, dict(reversed(node.config.items())), {s: turned(c) for s, c in reversed(node.children.items())})

    assert structural_hash(turned(tree)) == structural_hash(tree)
    names = sorted(REFERENCES)
    apart = {(a, b): distance(REFERENCES[a].units, REFERENCES[b].units) for a in names for b in names}
    assert all(d == 0 for (a, b), d in apart.items() if a == b)
    assert apart["llama", "mla"] < apart["llama", "mamba2"]
    assert apart["deltanet", "gated_deltanet"] < apart["deltanet", "hyena"]


def test_reading_loads_no_torch():
    for module in ("decompose", "canonical", "edit", "units", "writer", "structure"):
        assert "torch" not in {n.names[0].name for n in ast.walk(ast.parse((ROOT / "core" / "gab" / f"{module}.py").read_text())) if isinstance(n, ast.Import)}
