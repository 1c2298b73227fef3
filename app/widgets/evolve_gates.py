"""Gates: a rule a step, and what waits at them."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.roles import may
from app.widgets.switch import draw_refusal, fresh, switch
from core.desk import Desk, Gated, Rule

MODES = ["ask", "ask if", "auto"]
HELP = {"ask": "it waits for you each time", "ask if": "it waits for you where a bound is passed, or where what the bound speaks of is not known", "auto": "it goes on by itself"}
SHOWN = 12


def step_words(step: str) -> str:
    kind, _, scale = step.partition(":")
    return {"propose": "Before proposing", "implement": "Before implementing"}.get(kind, f"Before verifying at {scale}" if scale else "Before verifying")


def choose_rule(step: str, rule: Rule, key: str, verb: str) -> Rule:
    """What the person set, for a verb of the desk; bounds only where there are any to give. What its fields hold already counts before `rule` does."""
    name, control = st.columns([1, 1.25], vertical_alignment="center")
    name.markdown(step_words(step))
    st.session_state.setdefault(f"mode-{key}", str(rule.mode))
    mode = control.segmented_control(step_words(step), MODES, key=f"mode-{key}", label_visibility="collapsed", width="stretch",
                                     **may(verb, "; ".join(f"{m}: {HELP[m]}" for m in MODES))) or str(rule.mode)
    if mode != "ask if":
        return Rule.from_dict({"rule": mode})
    paid = "minutes of training above" if step.startswith("verify") else "US dollars above"
    fields = [("cost_above", paid, 1e9, 1.0, rule.cost_above)]
    if step != "propose":
        fields = [("rating_below", "rating below", 5.0, 0.5, rule.rating_below), *fields, ("similarity_above", "similarity above", 1.0, 0.05, rule.similarity_above)]
    bounds = {}
    for (field, label, most, step_by, now), column in zip(fields, st.columns(len(fields)), strict=True):
        st.session_state.setdefault(f"{field}-{key}", now)
        bounds[field] = column.number_input(label, 0.0, most, None, step=step_by, key=f"{field}-{key}", placeholder="any")
    return Rule.from_dict({"rule": mode, **bounds})


def rule_keys(key: str) -> list[str]:
    """Of the fields of `choose_rule`."""
    return [f"{field}-{key}" for field in ("mode", "rating_below", "cost_above", "similarity_above")]


def draw_gates(desk: Desk, run_id: str) -> None:
    """Each step's rule; a change holds from now on, for what waits too."""
    st.markdown("**Gates**")
    for step, rule in desk.gate_rules(run_id).items():
        name = f"{run_id}-{step}-{rule.words}"
        wanted = choose_rule(step, rule, fresh(name), "set_gate")
        draw_refusal(name)
        if wanted == rule:
            continue
        half = wanted.words.startswith("ask-if") and wanted.words != rule.words
        if half:
            with st.container(horizontal=True, vertical_alignment="center"):
                ready = wanted.words != "ask-if:"
                if st.button("Set", key=f"set-{run_id}-{step}", type="primary",
                             **may("set_gate", disabled=not ready)) and shell.act(lambda s=step, w=wanted: desk.set_gate(run_id, s, w), "from now on"):
                    st.rerun()
                st.caption(f"not in force yet: it is still {rule.words}" if ready else "give a bound", width="content")
        else:
            switch(name, lambda s=step, w=wanted: desk.set_gate(run_id, s, w), f"{step_words(step).lower()}: {wanted.words}")


def draw_waiting(desk: Desk, run_id: str, key: str = "") -> None:
    """What waits for a person, each with what it costs."""
    every = desk.gated(run_id, held=True)
    waiting, held = [g for g in every if not g.held], [g for g in every if g.held]
    if waiting:
        st.markdown(f"**Waits for you: {len(waiting)}**")
    for gated in waiting[:SHOWN]:
        with st.container(border=True, gap="small", key=f"gated-{gated.step}-{gated.subject}{key}".replace(":", "-")):
            st.markdown(f":orange[:material/front_hand:] **{shell.plain(_capital(gated.words))}**")
            if gated.design:
                design = desk.store.designs.get(gated.design)
                st.markdown(shell.plain(design.title[:200]) + (f" :gray[· rated {design.rating:.1f} of 5]" if design.rating is not None else ""))
            st.caption(shell.plain(f"{_capital(gated.why)}. It costs {gated.cost}. Asked {shell.ago(gated.since)}."))
            _buttons(desk, gated, key)
    if len(waiting) > SHOWN:
        st.caption(f"and {len(waiting) - SHOWN} more; those above are the oldest")
    if held:
        with st.expander(f"Held: {len(held)}"):
            for gated in held[:SHOWN]:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(shell.plain(gated.words), width="content")
                    if st.button("Let it through after all", key=f"relet-{gated.step}-{gated.subject}{key}", type="tertiary",
                                 **may("let")) and shell.act(lambda g=gated: desk.let(g), "it is next"):
                        st.rerun()


def _buttons(desk: Desk, gated: Gated, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Let it through", key=f"let-{gated.step}-{gated.subject}{key}", type="primary", icon=":material/check:",
                     **may("let")) and shell.act(lambda: desk.let(gated), "it is next"):
            st.rerun()
        held = st.button("Hold", key=f"hold-{gated.step}-{gated.subject}{key}", icon=":material/front_hand:", **may("hold", "the run goes on without it; it can be let through later"))
        why = st.text_input("Why hold it", key=f"why-{gated.step}-{gated.subject}{key}", placeholder="why, if you hold it", label_visibility="collapsed", width=200)
        if held and shell.act(lambda: desk.hold(gated, why.strip()), "the run goes on without it"):
            st.rerun()
        if gated.design:
            shell.link("design", "Read it", ":material/article:", design=gated.design)
        if gated.session and gated.step == "implement":
            shell.link("studio", "Its session", ":material/forum:", session=gated.session)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
