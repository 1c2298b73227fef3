"""Teams: who works together, and a form for one of your own."""

from __future__ import annotations

import streamlit as st

from app import shell
from app.widgets.roles import may
from core.desk import Desk

NEEDED = ("designer", "reviewer", "coder")
NOBODY = "nobody"


def draw_teams(desk: Desk) -> None:
    chosen, teams = desk.default_team(), desk.teams()
    for team in teams.values():
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                _draw_head(desk, team.name)
                if team.name == chosen:
                    st.caption("the first choice in the Studio", width="content")
            if lacking := next((reach.lacking for reach in desk.team_reach(team.name).values() if not reach.ok), ""):
                st.warning(f"Cannot work here: {shell.plain(lacking)}", icon=":material/key_off:")
            if team.about:
                st.markdown(shell.plain(team.about))
            rounds = f"Up to {team.rounds} rounds of review; a proposal rated {team.accept:g} is taken as it is." if team.rounds > 1 else "One review, no revision."
            st.caption("  \n".join([*(f"{role}: {member}" for role, member in team.members.items()), rounds]))
    for name, error in teams.unreadable.items():
        with st.container(border=True):
            with st.container(horizontal=True, vertical_alignment="center"):
                _draw_head(desk, name)
            st.error(f"This team cannot be read: {shell.plain(str(error))}", icon=":material/error:")
    with st.expander("A team of your own", icon=":material/group_add:"):
        draw_team_form(desk)


def _draw_head(desk: Desk, name: str) -> None:
    """Its name, and for one of a person's own the way to take it away."""
    st.markdown(f"**Team {shell.plain(name)}**", width="content")
    if desk.is_own_team(name):
        st.badge("yours", color="violet")
        if st.button("", icon=":material/delete:", key=f"drop-team-{name}", type="tertiary", **may("drop_team", "take this team away")) and shell.act(
                lambda: desk.drop_team(name), "taken away"):
            st.rerun()


def draw_team_form(desk: Desk) -> None:
    """One agent a role; what is not needed may be left out."""
    roles: dict[str, list[str]] = {}
    for spec in desk.agents().values():
        roles.setdefault(spec.role, []).append(spec.name)
    order = [*NEEDED, *(role for role in roles if role not in NEEDED)]
    with st.form("team", border=False):
        name = st.text_input("Name", placeholder="for instance mine", key="team-name")
        about = st.text_input("What it is for", key="team-about")
        members = {role: st.selectbox(role, ([] if role in NEEDED else [NOBODY]) + roles.get(role, []), key=f"team-{role}") for role in order}
        one, two = st.columns(2)
        rounds = one.number_input("Rounds of review, at most", 1, 10, 2, key="team-rounds")
        accept = two.number_input("Accepted from", 0.0, 5.0, 3.5, step=0.1, key="team-accept")
        saved = st.form_submit_button("Save the team", icon=":material/save:", **may("save_team"))
    if saved and shell.act(lambda: desk.save_team(name.strip(), about.strip(), {r: m for r, m in members.items() if m and m != NOBODY}, int(rounds), float(accept)), "saved"):
        st.rerun()
