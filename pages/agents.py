"""Agents: who they are and what they are told, what you taught them, which models they reach, what they cost."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.agent_page import draw_agent, draw_unreadable
from app.widgets.model_budget import draw_models
from app.widgets.taught import draw_taught
from app.widgets.teams import draw_teams
from core.desk import Desk

TABS = {"agents": "Agents and teams", "taught": "What you taught the agents", "models": "Models and money"}


def main() -> None:
    desk = shell.desk()
    if name := st.query_params.get("agent"):
        draw_agent(desk, name, st.query_params.get("revision", ""))
        return
    agents, taught, models = st.tabs(list(TABS.values()), default=TABS.get(st.query_params.get("tab", ""), TABS["agents"]))
    with agents, shell.worded():
        draw_agents(desk)
    with taught, shell.worded():
        draw_taught(desk)
    with models, shell.worded():
        draw_models(desk)


def draw_agents(desk: Desk) -> None:
    """Every agent with its model; a person's version that cannot be read any more is told first, and can be taken back."""
    specs = desk.agents()
    used = {name: [f"{team.name}" for team in desk.teams().values() if name in team.members.values()] for name in specs.names}
    repeated = desk.repeating()
    left, right = st.columns([1.7, 1], gap="large")
    with left:
        for name, error in specs.unreadable.items():
            with st.container(border=True, gap="small"):
                draw_unreadable(desk, name, error, used[name])
        for spec in specs.values():
            reach = desk.reach(spec)
            with st.container(border=True, gap="small"):
                with st.container(horizontal=True, vertical_alignment="center"):
                    shell.link("agents", spec.name, ":material/smart_toy:" if spec.engine == "model" else ":material/memory:", agent=spec.name)
                    st.badge(spec.role, color="blue")
                    if desk.is_own(spec.name):
                        st.badge("yours", color="violet")
                    if spec.engine != "model":
                        st.caption(f"a program ({spec.engine})", width="content")
                    elif reach.ok:
                        st.caption(shell.plain(f"asks {reach.models[0]}"), width="content")
                    else:
                        st.badge("no key", color="orange", icon=":material/key_off:")
                    if spec.name in repeated:
                        again, total = repeated[spec.name]
                        st.caption(f"repeated itself in {again} of {total} reviews", width="content")
                    st.caption(f"in {', '.join(used[spec.name])}" if used[spec.name] else "in no team", width="content")
                st.markdown(shell.plain(spec.about))
    with right:
        draw_teams(desk)


main()
