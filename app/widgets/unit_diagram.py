"""A tree of units as nested boxes: plain HTML, nothing is run and nothing is fetched."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.types import UnitTree

# Okabe & Ito's palette, one colour a kind of slot; the word beside it says the same.
COLOURS = {"block": "#5b6b7b", "mixer": "#0072B2", "channel": "#009E73", "norm": "#999999", "position": "#CC79A7", "gate": "#E69F00",
           "conv": "#D55E00"}
STYLE = """<style>
.units, .units div {box-sizing: border-box;}
.units {font-size: 0.8rem; line-height: 1.25;}
.units .u {border: 1px solid color-mix(in srgb, var(--c) 55%, transparent); border-left: 4px solid var(--c); border-radius: 6px; padding: 3px 7px 4px;
  margin-top: 4px; background: color-mix(in srgb, var(--c) 7%, transparent);}
.units .s {opacity: 0.7; margin-right: 5px;}
.units .n {font-weight: 600;}
.units .h {opacity: 0.75; margin-left: 6px; font-size: 0.92em;}
.units .row {display: flex; flex-wrap: wrap; gap: 0 6px;}
.units .row > .u {flex: 1 1 auto;}
</style>"""


def draw_unit_diagram(tree: UnitTree, brief: bool = False) -> None:
    """`brief` leaves hyperparameters out."""
    st.html(f'{STYLE}<div class="units">{_box(tree, "block", brief)}</div>')


def _box(tree: UnitTree, slot: str, brief: bool) -> str:
    settings = "" if brief else ", ".join(f"{k} {_value(v)}" for k, v in tree.config.items())
    tip = escape(", ".join(f"{k}={v}" for k, v in tree.config.items()), quote=True)
    head = f'<span class="s">{escape(slot)}</span><span class="n">{escape(tree.unit)}</span>' + (f'<span class="h">{escape(settings)}</span>' if settings else "")
    small = [(name, child) for name, child in tree.children.items() if not child.children]
    large = [(name, child) for name, child in tree.children.items() if child.children]
    inner = "".join(_box(child, name, brief) for name, child in large)
    if small:
        inner += f'<div class="row">{"".join(_box(child, name, brief) for name, child in small)}</div>'
    colour = next((c for kind, c in COLOURS.items() if kind in slot), "#5b6b7b")
    return f'<div class="u" style="--c:{colour}" title="{tip}">{head}{inner}</div>'


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
