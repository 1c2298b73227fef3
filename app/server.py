"""How the app is served: Streamlit's own application, whose first page tells the browser where the server is.

`python -m streamlit run app/server.py` serves it. Without this a browser that opens `/verify` asks for the server's health at `/verify/_stcore/…`, then at `/_stcore/…`, and only
then connects: three round trips while it is busiest. Streamlit lets a host say beforehand, in `window.__streamlit`, where the server is and what it would answer (its "bypass" of the
first pings, which then go on beside the page). `app/main.py` served bare works too, as slowly as before.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from streamlit import config, file_util
from streamlit.starlette import App

HERE = Path(__file__).resolve().parent
PAGES = sorted(path.stem for path in (HERE.parent / "pages").glob("*.py"))
# As Streamlit's own /_stcore/host-config answers. What is said here goes before that answer.
HOST = {"useExternalAuthToken": False, "enableCustomParentMessages": False, "enforceDownloadInNewTab": False, "metricsUrl": "", "blockErrorDialogs": False, "resourceCrossOriginMode": None}
SIGNED_IN, TOKEN = "_streamlit_user", "_streamlit_xsrf"      # Streamlit's cookies: who a provider says it is, and the token against forged requests
TITLE, SCRIPT = "<title>Streamlit</title>", '<script type="module"'


def streamlit_page() -> tuple[str, str]:
    """Streamlit's page: what stands before its scripts, and the rest. Raises ValueError when a newer Streamlit has no script to look for."""
    page = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")
    before, script, after = page.partition(SCRIPT)
    if not script:
        raise ValueError(f"Streamlit's index.html has no {SCRIPT}…>: app/server.py needs another place for what it tells the browser")
    return before.replace(TITLE, "<title>Model Discovery</title>"), script + after


def first_page(before: str, after: str, waits: bool) -> str:
    """With what it is told between the two. `waits`: it connects after its pings were answered."""
    told = {} if waits else {"HOST_CONFIG": {"allowedOrigins": list(config.get_option("client.allowedOrigins")), **HOST}}
    # Pages are one step below the app's address, whatever stands before it.
    words = f'<script>window.__streamlit = {{BACKEND_BASE_URL: new URL("./", location.href).href, ...{json.dumps(told)}}};</script>\n    <script>{POPOVERS}</script>\n    '
    return before + words + after


POPOVERS = (HERE / "popovers.js").read_text(encoding="utf-8")
PAGE = streamlit_page()          # when the server starts: then it does not start with a Streamlit that it does not fit


async def opened(request: Request) -> HTMLResponse:
    """A browser that is signed in and lost the token gets it from the pings, and is heard only with it: it waits for them."""
    waits = any(name.startswith(SIGNED_IN) for name in request.cookies) and TOKEN not in request.cookies
    return HTMLResponse(first_page(*PAGE, waits), headers={"Cache-Control": "no-store"})      # it is another one for who has the token


def routes(prefix: str) -> list[Route]:
    """Of the first page, under Streamlit's server.baseUrlPath."""
    base = f"/{prefix.strip('/')}".rstrip("/")
    return [Route(f"{base}/{name}", opened) for name in ("", *PAGES)]


app = App(HERE / "main.py", routes=routes(config.get_option("server.baseUrlPath") or ""))
