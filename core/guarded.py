"""The desk as somebody of a role meets it: every verb carries their name, and what is beyond their role is refused in words.

Each public verb of the desk stands in exactly one of three classes (a test holds that); one that stands in none is an admin's. The role is looked up at each verb, so
that a user who was removed or given another role is heard at once, also on a page that was open before. Workers and the command line are not guarded:
who can start those has the data directory anyway.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from inspect import signature
from typing import Any, cast

from core.desk import Desk
from core.errors import NotAllowed
from core.users import Role
from core.verification.training.recipes import recipe_files


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


READ = _words("""
    embeddings
    count_papers import_tally open_paper paper_library paper_passages papers related_papers search_papers source_states
    agents agreement asks_models at_once average behind bound calibration catalogue chosen compare copied corpora costs crew default_team estimate find_gated first_gates forecast foreseen foretold
    ends gate_rules gated grid hub_folder inbox is_own is_own_team ladder left_alone looked_at lessons measured_noise measures morning next_match next_scale noise outlines passed_over
    prices providers ranking reach recent references repeating revisions run run_ids run_scales run_settings rungs runs said_of_session scale_of shipped spent stalls standing standings strengths suggested
    suites suspicious team_reach teams test_looks to_train told trainings trial_brief tried try_agent twin unconfirmed unsure under_way verifying views whys wishes
    change_password kept_corpora key_states ladder_facts own_tasks places versions
    """)
REVIEW = _words("""
    ask_source drop_paper import_papers link_paper note_paper
    add_own approve audit boost cancel check choose_parents choose_verification climb comment confirm count_costs defer edit foretell forget_view go_on guide hold implement
    interrupt judge_all keep_view lend_hand let pause pause_run pin prefer prepare_corpus probe promote prune put_first put_last put_run recheck refuse release rerank reset restore_code
    resume_run retry retry_run save_code send_back set_ends set_gate skip_session skip_verification start_session steer step_run stop_run tag teach time trace_code try_code
    unchoose undo undo_all verify wake wake_run wake_run_of
    check_up
    """)
ADMIN = _words("""
    import_folder
    copy_agent drop_agent drop_team evolve first_budgets open restore_agent save_agent save_team set_budget switch_model write_noise
    add_user people remove_user set_password set_role users
    """)
OF_ROLE = {Role.VIEWER: READ, Role.REVIEWER: REVIEW, Role.ADMIN: ADMIN}
HELD = frozenset({"author", "config", "queue", "scales", "store", "units"})     # what the desk holds, for pages that read


def needed(verb: str) -> Role:
    return next((role for role, verbs in OF_ROLE.items() if verb in verbs), Role.ADMIN)


def acting(desk: Desk, author: str) -> Desk:
    """The same desk, whose decisions carry this name; what it has read of the tree is shared."""
    mine = copy.copy(desk)
    mine.author = author
    mine.__dict__["outlines"] = desk.outlines
    return mine


def guarded(desk: Desk, name: str, role: Callable[[], Role | None]) -> Desk:
    """`role()`: theirs at this moment, None when they may not be here any more."""
    return cast(Desk, Guarded(acting(desk, name), role))


class Guarded:
    def __init__(self, desk: Desk, role: Callable[[], Role | None]) -> None:
        self._desk = desk
        self._role = role

    def __getattr__(self, verb: str) -> Any:
        if verb.startswith("_"):
            raise AttributeError(verb)
        if verb not in HELD and needed(verb) is not Role.VIEWER:
            return self._refusing(verb, getattr(self._desk, verb))
        return getattr(self._desk, verb)

    def _refusing(self, verb: str, act: Any) -> Any:
        """The verb, which looks at the role when it is called; something that is no verb, at once."""
        if not callable(act):
            self._check(needed(verb), verb)
            return act

        def checked(*args: Any, **kwargs: Any) -> Any:
            self._check(needed(verb), verb)
            if (path := self._path(act, args, kwargs)) is not None:
                self._check(Role.ADMIN, f"reading {path} on the server")
            return act(*args, **kwargs)

        return checked

    def _path(self, act: Any, args: tuple, kwargs: dict[str, Any]) -> str | None:
        """A corpus that is named by its place: a file of the server's is for admins to open, whatever it holds."""
        try:
            corpus = signature(act).bind(*args, **kwargs).arguments.get("corpus")
        except TypeError:        # wrong arguments: the verb itself says so
            return None
        return str(corpus) if corpus and str(corpus).partition(":")[0] not in recipe_files(self._desk.config) else None

    def _check(self, role: Role, verb: str) -> None:
        have = self._role()
        if have is None:
            raise NotAllowed(f"{self._desk.author} is not signed in any more", "reload the page and sign in")
        if not have.reaches(role):
            others = "viewers may look" if have is Role.VIEWER else "reviewers decide within what admins set"
            raise NotAllowed(f"{others}: “{verb.replace('_', ' ')}” is for {'admins' if role is Role.ADMIN else 'reviewers'}, and was not done", f"ask an admin for the role {role}")
