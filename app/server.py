"""How the app is served: Streamlit's own application, whose first page tells the browser where the server is.

`python -m streamlit run app/server.py` serves it. Without this a browser that opens `/verify` asks for the server's health at `/verify/_stcore/…`, then at `/_stcore/…`, and only
then connects: three round trips while it is busiest, a quarter of the time to a page. Streamlit lets a host say both beforehand in `window.__streamlit` (its "bypass" of the first pings, which
go on in the background); `app/main.py` served bare works as before.
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
# As Streamlit's own /_stcore/host-config answers; that answer still comes, and holds, once the browser is connected.
HOST = {"useExternalAuthToken": False, "enableCustomParentMessages": False, "enforceDownloadInNewTab": False, "metricsUrl": "", "blockErrorDialogs": False, "resourceCrossOriginMode": None}
# Pages are one step below the app's address, whatever stands before it. A browser without the token against forged requests gets it from the pings, and so waits for them.
TOLD = """<script>window.__streamlit = {BACKEND_BASE_URL: new URL("./", location.href).href, ...(/(^|; )_streamlit_xsrf=/.test(document.cookie) ? {HOST_CONFIG: %s} : {})};</script>
"""


def first_page() -> str:
    """Streamlit's page with what it is told before its scripts. Raises ValueError when a newer Streamlit has none to put it before."""
    page = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")
    before, script, after = page.partition('<script type="module"')
    if not script:
        raise ValueError("Streamlit's index.html has no module script: app/server.py wants its place named anew")
    told = TOLD % json.dumps({"allowedOrigins": list(config.get_option("client.allowedOrigins")), **HOST})
    return before.replace("<title>Streamlit</title>", "<title>Model Discovery</title>") + told + script + after


async def opened(request: Request) -> HTMLResponse:
    return HTMLResponse(first_page(), headers={"Cache-Control": "no-cache"})


app = App(HERE / "main.py", routes=[Route(path, opened) for path in ("/", *(f"/{name}" for name in PAGES))])
