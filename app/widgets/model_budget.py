"""Providers and their prices, the two budgets that limit every call, and what was spent by whom."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from app import shell
from app.widgets.roles import may
from core.desk import Desk
from core.types import MONEY, TOKENS, Spent


def draw_models(desk: Desk) -> None:
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        st.subheader("Providers", anchor=False)
        if error := desk.prices.error:
            with shell.worded():
                raise error
            st.caption("Until then no price is known, and where there is a budget in money only models that are free are asked.")
        rows = [{"provider": p.label, "key": p.key, "strong": p.tiers.get("strong", ""), "$ per million tokens": p.prices.get("strong", ""), "fast": p.tiers.get("fast", ""),
                 "its price": p.prices.get("fast", ""), "at": p.at} for p in desk.providers()]
        st.dataframe(rows, hide_index=True, placeholder="")
        st.caption(f"From `{desk.config.providers_file.name}` and `{desk.config.prices_file.name}` (dated, correct them there). A price that is not there is unknown, never 0. "
                   "Keys are environment variables; they are never shown or stored.")
        st.subheader("Spent so far", anchor=False)
        _draw_spent(desk)
    with right:
        st.subheader("Budgets", anchor=False)
        for account, coin in ((MONEY, "US dollars"), (TOKENS, "tokens")):
            _draw_account(desk, account, coin)


def _draw_account(desk: Desk, account: str, coin: str) -> None:
    now = desk.store.ledger.account(account)
    opened = desk.store.ledger.opened(account)
    money = account == MONEY

    def shown(amount: float) -> str:
        return f"${amount:,.2f}" if money else f"{amount:,.0f}"

    with st.container(border=True):
        st.metric(f"{account} left", shown(now.left) if opened else "no limit")
        st.caption(shell.plain(f"{shown(now.spent)} spent, {shown(now.reserved)} held for calls under way, {shown(now.granted)} granted") if opened
                   else "Nobody has set this budget: it limits nothing.")
        if opened and now.granted:
            st.progress(min(1.0, (now.spent + now.reserved) / now.granted))
        with st.container(horizontal=True, vertical_alignment="bottom"):
            total = st.number_input(f"In all, {coin}", 0.0, 1e7 if money else 1e12, float(now.granted), step=1.0 if money else 1e6, format="%.2f" if money else "%.0f", key=f"total-{account}", width=220)
            if st.button("Set", key=f"set-{account}", icon=":material/savings:", **may("set_budget")) and shell.act(lambda: desk.set_budget(account, total), "set"):
                st.rerun()


def _draw_spent(desk: Desk) -> None:
    by_agent, by_model = desk.store.calls.shares("author"), desk.store.calls.shares("model")
    if not by_model:
        st.caption("No language model was asked yet.")
        return
    one, two = st.columns(2)
    with one:
        st.dataframe(_rows("agent", by_agent), hide_index=True, placeholder="", column_config=COLUMNS)
    with two:
        st.dataframe(_rows("model", by_model), hide_index=True, placeholder="", column_config=COLUMNS)
    total = desk.store.calls.spent()
    st.caption(shell.plain(f"{total.tries:,} calls, {total.answers:,} of them answered, {total.tokens:,} tokens ({total.cached:,} from caches), {total.dollars}."))


COLUMNS = {"tokens": st.column_config.NumberColumn(format="localized")}


def _rows(head: str, found: Mapping[str, Spent]) -> list[dict[str, object]]:
    return [{head: name or "you", "calls": s.tries, "tokens": s.tokens, "money": s.dollars} for name, s in found.items()]
