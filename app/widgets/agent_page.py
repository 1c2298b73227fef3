"""One agent: what it is, its YAML and prompts to edit, and its revisions."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from app import shell
from app.widgets.diff import draw_diff
from app.widgets.roles import may
from core.desk import Desk
from core.errors import ConfigError, NotFound


def draw_agent(desk: Desk, name: str, revision: str) -> None:
    specs = desk.agents()
    if name in specs.unreadable:
        shell.link("agents", "All agents", ":material/arrow_back:")
        draw_unreadable(desk, name, specs.unreadable[name])
        return
    if name not in specs:
        raise NotFound(f"there is no agent {name!r}", f"there are {', '.join(specs)}")
    spec, kept = specs[name], desk.revisions(name)
    st.subheader(f"Agent {shell.plain(name)}", anchor=False)
    reach = desk.reach(spec)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(spec.role, color="blue")
        st.badge("your version" if desk.is_own(name) else "as shipped", color="violet" if desk.is_own(name) else "gray")
        models = "a program, asks no model" if spec.engine != "model" else f"asks {', then '.join(reach.models)}" if reach.ok else f"{', then '.join(spec.models)}: no key"
        st.caption(f"{shell.plain(models)} · revision {spec.revision}", width="content")
        shell.link("agents", "All agents", ":material/arrow_back:")
    if not reach.ok:
        st.warning(shell.plain(reach.lacking), icon=":material/key_off:")
    st.markdown(shell.plain(spec.about))
    facts = [*(f"{key} {value}" for key, value in spec.parameters.items()), f"tools: {', '.join(spec.tools) or 'none'}",
             *(f"{key.replace('_', ' ')} at most {value}" for key, value in spec.limits.items())] if spec.engine == "model" else []
    if facts:
        st.caption(" · ".join(facts))
    edit, seen, revisions = st.tabs(["Edit", "What it is told", f"Revisions ({len(kept)})"], default=f"Revisions ({len(kept)})" if revision else None)
    with edit:
        draw_editor(desk, name)
    with seen:
        draw_trial(desk, name)
    with revisions:
        draw_revisions(desk, name, revision)


def draw_unreadable(desk: Desk, name: str, error: ConfigError, used: Collection[str] = ()) -> None:
    """A person's version that cannot be read: what is wrong with it, which teams cannot work now, and the way back."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{shell.plain(name)}**", width="content")
        st.badge("cannot be read", color="red", icon=":material/error:")
        st.badge("yours", color="violet")
        if used:
            st.caption(shell.plain(f"needed by {', '.join(used)}"), width="content")
    st.error(shell.plain(str(error)), icon=":material/error:")
    if st.button(f"Take your version of {shell.escaped(name)} away", key=f"drop-agent-{name}", icon=":material/undo:",
                 **may("drop_agent", "the shipped one counts again" if desk.shipped(name) else "")) and shell.act(lambda: desk.drop_agent(name), "taken away"):
        st.rerun() if desk.shipped(name) else shell.go("agents")


def draw_editor(desk: Desk, name: str) -> None:
    """What was typed stays in the form until it is saved; an error names file, line and key."""
    spec = desk.agents()[name]
    files = spec.files()
    yaml, *prompts = files
    with st.form(f"spec-form-{spec.revision}", border=False):
        left, right = st.columns([1, 1.6], gap="medium")
        with left:
            typed = {yaml: st.text_area(f"{yaml}: model, parameters, tools, limits", files[yaml], height=380, key=f"spec-{spec.revision}-yaml",
                                        help="model: {tier: strong}, {tier: fast} or {name: 'provider:model'}, with fallback: [models]")}
        with right:
            for tab, path in zip(st.tabs([p.rpartition("/")[2] for p in prompts]), prompts, strict=True) if prompts else ():
                typed[path] = tab.text_area(f"{path} (Markdown with Jinja)", files[path], height=330, key=f"spec-{spec.revision}-{path}", label_visibility="collapsed")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            saved = st.form_submit_button("Save as my version", icon=":material/save:", type="primary", **may("save_agent"))
            new = st.text_input("or as an agent of another name", key=f"spec-new-{spec.revision}", width=260, placeholder="for instance bold_designer")
            copied = st.form_submit_button("Save as a new agent", icon=":material/content_copy:", **may("copy_agent"))
    st.caption("Before it counts, it is read and every prompt is tried over a real brief. Conversations under way keep to what they began with.")
    written = {path: text if text.endswith("\n") else f"{text}\n" for path, text in typed.items()}
    if saved and shell.act(lambda: desk.save_agent(name, written), "saved"):
        st.rerun()
    if copied and shell.act(lambda: desk.copy_agent(name, new.strip(), written), "saved; put it into a team"):
        shell.go("agents", agent=new.strip())
    if desk.is_own(name) and st.button("Back to the shipped one" if desk.shipped(name) else "Remove this agent", icon=":material/undo:", key="drop-own",
                                       **may("drop_agent")) and shell.act(
            lambda: desk.drop_agent(name), "your version is among the revisions"):
        st.rerun() if desk.shipped(name) else shell.go("agents")


def draw_trial(desk: Desk, name: str) -> None:
    """The prompts as they would read now; nobody is asked."""
    st.caption("Its prompts over a crossover of two references, as they would be sent now. Nobody is asked.")
    if not st.toggle("Show them", key=f"trial-{name}"):
        return
    tried = desk.try_agent(desk.agents()[name])
    for step, text in tried.rendered.items():
        st.markdown(f"**{step}** · {len(text):,} characters")
        st.code(text, language="markdown", wrap_lines=True, height=420 if len(text) > 1500 else "content")
    if tried.untried:
        st.caption(f"Not needed here: {', '.join(tried.untried)}.")


def draw_revisions(desk: Desk, name: str, revision: str) -> None:
    """Each that was used or saved, what differs from the one in use, and a way back to it."""
    spec, kept = desk.agents()[name], desk.revisions(name)
    if not kept:
        st.caption("None yet: a revision is kept when it is first used in a session, or saved.")
        return
    if revision and revision not in {r.revision for r in kept}:
        st.warning(f"There is no revision {shell.plain(shell.short(revision))} of {shell.plain(name)}.")
    now = spec.files()
    for r in kept:
        own = r.revision == spec.revision
        with st.expander(f"{r.revision} · {shell.plain(r.author) or 'shipped'} · {shell.ago(r.created_at)}" + (" · in use" if own else ""), expanded=r.revision == revision):
            if own:
                for path, text in r.files.items():
                    st.caption(path)
                    st.code(text, language="yaml" if path.endswith(".yaml") else "markdown", wrap_lines=True, height=260 if len(text) > 900 else "content")
                continue
            for path in dict.fromkeys([*r.files, *now]):
                if r.files.get(path) != now.get(path):
                    st.caption(f"{path}: what it said then (−) and says now (+)")
                    draw_diff(r.files.get(path, ""), now.get(path, ""), f"diff-{r.revision}-{path}", "markdown")
            if st.button("Restore this one", key=f"restore-{r.revision}", icon=":material/history:",
                         **may("restore_agent")) and shell.act(lambda r=r: desk.restore_agent(name, r.revision), "restored"):
                st.rerun()
