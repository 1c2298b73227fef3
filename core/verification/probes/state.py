"""How much a recurrence may remember: at a probe every fixed state holds the same share of the width, as in MAD (Poli et al. 2024, arXiv
2403.17844, appendix B: architectures are compared at equal state). Otherwise recall would measure nothing but the state's size.

Known are the library's own mixers, by the name of their class in a composed block; a block with another one is left as it is, and its state untold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Config = Mapping[str, Any]
KNOBS = ("heads", "state")           # hyperparameters that set a state's size and next to nothing else


@dataclass(frozen=True)
class Mixer:
    """`numbers(width, hyperparameters)` in its state, and the hyperparameter that sets it."""

    numbers: Callable[[int, Config], float]
    knob: str


# a state of key × value a head: (keys / heads) · (values / heads) · heads
MIXERS: dict[str, Mixer] = {
    "GatedLinearAttention": Mixer(lambda d, c: d * c.get("key_share", 1) * d / c["heads"], "heads"),
    "DeltaNet": Mixer(lambda d, c: d * d / c["heads"], "heads"),
    "GatedDeltaNet": Mixer(lambda d, c: d * d * c.get("value_share", 1) / c["heads"], "heads"),
    "Retention": Mixer(lambda d, c: d * d * c.get("value_share", 1) / c["heads"], "heads"),
    "HGRN2": Mixer(lambda d, c: d * d / c["heads"], "heads"),
    "RWKV6": Mixer(lambda d, c: d * d / c["heads"], "heads"),
    "RWKV7": Mixer(lambda d, c: d * d / c["heads"], "heads"),
    "TTTLinear": Mixer(lambda d, c: d * d / c["heads"], "heads"),
    "MLSTM": Mixer(lambda d, c: d * c.get("key_share", 1) * d / c["heads"], "heads"),
    "Mamba2": Mixer(lambda d, c: d * c.get("expand", 1) * c["state"], "state"),
    "Mamba": Mixer(lambda d, c: d * c.get("expand", 1) * c["state"], "state"),
}
GROWING = ("Attention", "DiffAttention", "LatentAttention")  # their memory grows with the length: there is nothing to bring to a size


def depth(classes: Mapping[str, str], config: Config, least: int) -> int:
    """Blocks enough for every kind of them: a hybrid that attends in one block of four would be probed without its attention in two."""
    return max([least, *(int(config.get(f"{prefix}every", 1)) for prefix, name in classes.items() if name == "Hybrid")])


def normalised(classes: Mapping[str, str], config: Config, width: int, share: int) -> tuple[dict[str, Any], int | None]:
    """(`config` with every known mixer's knob set so that its state comes nearest to `share` · width numbers, the state of a block then).

    `classes`: prefix in `gab_config` → class name of the unit there. None: a state is not known, or grows with the length.
    """
    out, total = dict(config), 0
    for prefix, name in classes.items():
        mixer = MIXERS.get(name)
        if mixer is None:
            continue
        own = {key.removeprefix(prefix): value for key, value in out.items() if key.startswith(prefix)}
        if mixer.knob not in own:
            return dict(config), None
        values = [v for v in (1, 2, 4, 8, 16, 32, 64) if mixer.knob == "state" or width % (2 * v) == 0]
        best = min(values, key=lambda v: (abs(mixer.numbers(width, {**own, mixer.knob: v}) / (share * width) - 1), v))
        out[f"{prefix}{mixer.knob}"] = best
        total += round(mixer.numbers(width, {**own, mixer.knob: best}))
    return out, total if total and not set(classes.values()) & set(GROWING) else None
