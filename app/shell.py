"""What stands round every page: the desk, the state of workers and budgets, and an edge where errors become words."""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import streamlit as st

from app import sign_in
from app.here import way
from core.config import ROOT, Config
from core.desk import HIDDEN_NOTE, Desk
from core.errors import ModelDiscoveryError, NotAllowed
from core.guarded import guarded
from core.report.prose import upright
from core.types import Design, JobState, Status

WORKED = "worked"        # of a session: whether a worker was there when the page was drawn
ARRIVED, DRAWN = "arrived", "drawn"      # of a session: that this is a page's first run, and whose run it was last
YOUNG = (50_000, 10, 5)     # new objects before Python looks for cycles among them: with its own 700, reading ten thousand designs is mostly that search
LONGEST_NAME, LONGEST_ERROR = 60, 800     # characters of what an error repeats from an address or a field, and of an error
ICON = ROOT / "app" / "icon.svg"  # served by the app: nothing comes from elsewhere
PAGES: dict[str, Path] = {path.stem: path for path in sorted((ROOT / "pages").glob("*.py"))}
LIVE = (JobState.QUEUED, JobState.RUNNING)

ADDRESS = re.compile(r"(?<=http:)(?=//)|(?<=https:)(?=//)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)     # where GFM would begin a link by itself
QUOTED = re.compile(r"""(?<!\w)(['"])(.*?)\1(?!\w)""", re.DOTALL)

# The nearest of Streamlit's names to STATUS_COLOURS (core/report/tree_svg.py).
STATUS_BADGES = {
    Status.PROPOSED: "blue", Status.APPROVED: "blue", Status.IMPLEMENTED: "orange", Status.VERIFIED: "green", Status.FAILED: "red",
    Status.REFUSED: "gray"}

CSS = """<style>
[data-testid="stMainBlockContainer"] {padding: 4.3rem 1.6rem 3rem; max-width: 1700px;}
[data-testid="stToastContainer"] {top: auto !important; bottom: 1.2rem !important;}
[data-testid="stMetricValue"] {font-size: 1.35rem;}
[data-testid="stBaseButton-primary"]:enabled {background: #0072B2; border-color: #0072B2; color: #fff;} [data-testid="stBaseButton-primary"]:hover:enabled {background: #005f96;}
[data-testid="stMultiSelectTagsContainer"] [data-tag] {background: #0072B2; color: #fff;}
[data-testid="stCaptionContainer"] {color: inherit !important; opacity: .78;} [data-testid="stCaptionContainer"]:has(.stMarkdownColoredText) {opacity: 1;} [data-testid="stCaptionContainer"] a {color: inherit !important; text-decoration: underline;}
[data-testid="stMarkdownContainer"] pre {white-space: pre-wrap;}
[data-testid="stMarkdownContainer"] {overflow-wrap: anywhere;}
.st-key-own-code textarea, [class*="st-key-draft-code-debug"] textarea {font-family: ui-monospace, monospace; font-size: 0.85rem; line-height: 1.45; white-space: pre; overflow-x: auto;}
[class*="st-key-spec-"] textarea {font-family: ui-monospace, monospace; font-size: 0.82rem; line-height: 1.45;}
[class*="st-key-prose-"] :is(h1, h2, h3, h4) {font-size: 1.05rem !important; padding: .7rem 0 .1rem;}
[class*="st-key-review-"] td:nth-child(-n+2), [class*="st-key-review-"] th {white-space: nowrap;}
[class*="st-key-pairs-"] thead {display: none;} [class*="st-key-pairs-"] td {border-width: 0 0 1px !important; padding: .25rem .9rem .25rem 0 !important;}
[class*="st-key-pairs-"] td:first-child {white-space: nowrap; opacity: .7; vertical-align: top;}
@media (max-width: 640px) {[data-testid="stMainBlockContainer"] {padding: 4.1rem 0.7rem 2rem;} h1 {font-size: 1.5rem !important;}
[data-testid^="stBaseButton"] p, [data-testid="stPageLink-NavLink"] p {white-space: normal !important;}
[data-testid="stMarkdownContainer"] table {display: block; overflow-x: auto;} [data-testid="stMarkdownContainer"] :is(th, td) {overflow-wrap: normal;}
[data-testid="stTabs"] [role="tablist"] {flex-wrap: wrap; height: auto; overflow: visible; row-gap: .2rem;}
[data-testid="stTabs"] [role="tab"] {flex: 0 0 auto; border-bottom: 2px solid transparent;} [data-testid="stTabs"] [role="tab"][aria-selected="true"] {border-bottom-color: currentColor;}
[data-testid="stTabs"] [data-baseweb="tab-highlight"] {display: none;}}
.st-key-tour-cookie, .st-key-tree-cookie, .st-key-drafts {display: none;}
</style>"""

# On a phone the menu is folded: what page it is stands beside it.
NAMED = """<style>@media (max-width: 640px) {[data-testid="stHeader"]::after {content: "%s"; position: absolute; left: 3.6rem; top: 50%%; transform: translateY(-50%%); font-weight: 600;}}</style>"""


def desk() -> Desk:
    """The visitor's: what they decide carries their name, and what is beyond their role is refused in words."""
    who = sign_in.visitor()
    if who is None:
        raise NotAllowed("nobody is signed in any more", "reload the page and sign in")
    return _desk() if who.how == "open" else _desk_of(who.name, who.how)


@st.cache_resource(show_spinner=False)
def _desk() -> Desk:
    """One for the server: the store's connections are pooled, and its reads are safe in threads."""
    gc.set_threshold(*YOUNG)
    return Desk.open(Config.from_env())


@st.cache_resource(max_entries=200, show_spinner=False)
def _desk_of(name: str, how: str) -> Desk:
    return guarded(_desk(), name, lambda: sign_in.role_of(name, how))


def state() -> tuple[str, ...]:
    """Changes whenever the tree, its scores, the scales' settings or the noise that scores are judged by do: a key for what is derived once for all visitors."""
    store, noise = desk().store, desk().config.noise_file
    written = noise.stat().st_mtime_ns if noise.exists() else 0
    return (str(store.database.path), store.version(), str(written), *(scale.settings for scale in desk().scales.values()))


def designs() -> list[Design]:
    """All of the tree, oldest first: derived once a state of the store, for all visitors."""
    return list(_designs(state()))


@st.cache_resource(max_entries=2, show_spinner=False)
def _designs(state: tuple[str, ...]) -> list[Design]:
    return desk().store.designs.all()


def run(page, above: Callable[[], None] = lambda: None) -> None:
    """Draw a page, with what stands `above` all of them; what goes wrong is said in words, with the way to mend it."""
    st.html(CSS + NAMED % page.title)
    _follow(page)
    with worded():
        _worker_note()
        above()
        page.run()


def _follow(page) -> None:
    """A link of a page to itself leaves the browser's address as it was, and a reload would lose what it opened: the address is told anew.

    Never in a page's first run: the browser still stands at the page before, which would get this one's address as a step back of its own.
    """
    st.session_state[ARRIVED] = st.session_state.get(DRAWN) != page.url_path
    st.session_state[DRAWN] = page.url_path
    if not st.session_state[ARRIVED]:
        st.query_params.from_dict(st.query_params.to_dict())


def address(said: Mapping[str, str], usual: Mapping[str, str] = MappingProxyType({})) -> None:
    """Name in the browser's address what a page shows, so that a reload and a link lead there; what is `usual` needs no word."""
    wanted = {key: value for key, value in said.items() if value and value != usual.get(key)}
    told = {key: value for key, value in st.query_params.items() if value != usual.get(key)}
    if not st.session_state.get(ARRIVED, True) and told != wanted:
        st.query_params.from_dict(wanted)


def from_address(name: str, usual: str, among: Collection[str], key: str) -> None:
    """What the address says under `name` goes into the widget with this key, when a link or a step back has brought another word. `to_address` is the way back."""
    asked = st.query_params.get(name, usual)
    asked = asked if asked in among else usual
    if st.session_state.get(f"{key}-told") != asked or key not in st.session_state:
        st.session_state[key] = asked


def to_address(name: str, usual: str, key: str) -> None:
    """What the widget says goes into the address, and is known to have come from there."""
    address({**st.query_params.to_dict(), name: st.session_state[key]}, {name: usual})
    st.session_state[f"{key}-told"] = st.query_params.get(name, usual)


class worded:
    """`with worded(): …` shows a ModelDiscoveryError as a message where it happened; with a link to the page that mends it, but not at the door, which `leads` nowhere."""

    def __init__(self, leads: bool = True) -> None:
        self.leads = leads

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, ModelDiscoveryError):
            st.error(f"{plain(brief(error.what))}" + (f"\n\n**To mend it:** {plain(brief(error.mend))}" if error.mend else ""), icon=":material/error:")
            if self.leads and (found := way(error.mend)):
                link(found.page, found.label, ":material/arrow_forward:", **found.query)
            return True
        if isinstance(error, Exception):  # a fault of ours: told in words here, in full in the server's log; Streamlit's own signals are no Exceptions
            logging.getLogger(__name__).error("a page failed", exc_info=error)
            st.error(f"This part of the page failed: {type(error).__name__}. Nothing that was saved is lost.\n\n**To mend it:** reload the page; if it comes again, the server's log tells where.",
                     icon=":material/error:")
            return True
        return False


def act(verb: Callable[[], object], done: str = "") -> bool:
    """Do what a person decided; whether it worked. An error stays on the screen, and nothing they typed is lost."""
    ok = False
    with worded():
        made = verb()
        ok = True
        if done:
            st.toast(plain(done))
        if getattr(made, "data", {}).get("scrubbed"):
            st.toast(f"A key was in what you wrote. {HIDDEN_NOTE}", icon=":material/key_off:", duration="long")
    return ok


def go(page: str, **query: str) -> None:
    st.switch_page(PAGES[page], query_params={k: v for k, v in query.items() if v})


def link(page: str, label: str, icon: str | None = None, **query: str) -> None:
    st.page_link(PAGES[page], label=label, icon=icon, query_params={k: v for k, v in query.items() if v})


def live(draw: Callable[[], bool], active: bool, every: float = 1.0) -> None:
    """Draw now; while `active`, again every second until `draw` says that nothing runs, then the whole page once.

    Whether something runs is asked once a page run, by the caller, so that all parts of the page agree on it.
    """
    if not active:
        with st.container():      # as a fragment has: what stands below keeps its place when the work ends, and a last tick overwrites this and nothing else
            draw()
        return

    def tick() -> None:
        with worded():
            if sign_in.visitor() is None or _worked() != st.session_state.get(WORKED) or not draw():     # who was removed sees the door, not what streams
                st.rerun()

    st.fragment(tick, run_every=every)()


def _worked() -> bool:
    return bool(desk().queue.workers())


def _worker_note() -> None:
    """Whether somebody works is told above every page; a part that is live has the page drawn anew when that changes."""
    st.session_state[WORKED] = _worked()
    if not st.session_state[WORKED]:
        waiting = len(desk().queue.all(states=[JobState.QUEUED]))
        queued = f" {waiting} job(s) wait." if waiting else ""
        st.warning(f"No worker is running.{queued} Start one with `python -m core worker`; `run_demo.sh` does it for you.", icon=":material/engineering:")


def status_badge(design: Design) -> None:
    st.badge(str(design.status), color=STATUS_BADGES[design.status])


def plain(text: str) -> str:
    """Text that Markdown shows as it stands. Nothing in it becomes a link: addresses are found in the text after its escapes are read, so a joiner without width parts them."""
    return escaped(ADDRESS.sub("\u2060", text))


def escaped(text: str) -> str:
    """The same for the label of a button, where nothing becomes a link."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>()#+-!|$~:" else c for c in upright(text))


def on_badge(text: str) -> str:
    """The same for a badge, which escapes brackets itself."""
    return escaped(text).replace("\\[", "[").replace("\\]", "]")


def short(name: str, most: int = LONGEST_NAME) -> str:
    """A name that a visitor's address or field gave, cut where it is repeated to them."""
    return name if len(name) <= most else f"{name[:most]}…"


def brief(message: str) -> str:
    """An error's words with the long names that it quotes cut."""
    return short(QUOTED.sub(lambda m: m[1] + short(m[2]) + m[1], message), LONGEST_ERROR)


def prose(text: str) -> str:
    """Markdown of an agent or a person without its pictures, which a browser would fetch from wherever they say."""
    return upright(text).replace("![", "!\\[")


def price() -> float:
    """What an hour of the machine costs, as this visitor said; 0 when they did not."""
    return float(st.session_state.get("price-an-hour", 0.0))


def ask_price() -> None:
    """Kept while the visitor walks from page to page."""
    said = st.number_input("Price of the machine an hour", 0.0, 10_000.0, price(), step=0.5, key="ask-price", width=210, help="in your money; 0 leaves money out")
    if said != price():
        st.session_state["price-an-hour"] = said
        st.rerun()


def ago(moment: datetime | None) -> str:
    if moment is None:
        return ""
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def took(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def about(seconds: float, remarks: Iterable[str] = ()) -> str:
    """What an estimate says in a line: about 23.0 h (14M extrapolated from nano here)."""
    told = "; ".join(filter(None, remarks))
    return f"about {took(seconds)}" + (f" ({plain(told)})" if told else "")
