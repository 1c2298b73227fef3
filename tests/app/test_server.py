"""What a browser is told before Streamlit's scripts begin."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config, file_util
from streamlit.web.server.starlette.starlette_routes import create_host_config_routes

from app import server

SAID = re.compile(r"window\.__streamlit = \{BACKEND_BASE_URL: new URL\(\"\./\", location\.href\)\.href, \.\.\.(\{.*?\})\};</script>")


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[*server.routes(""), *create_host_config_routes("")]))


@pytest.mark.parametrize("path", ["/", "/verify", "/design?design=gpt2"])
def test_every_page_says_where_the_server_is_and_what_it_would_answer(client: TestClient, path: str):
    answer = client.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert "<title>Model Discovery</title>" in answer.text
    told = json.loads(SAID.search(answer.text)[1])
    assert told["HOST_CONFIG"] == client.get("/_stcore/host-config").json(), "as this Streamlit itself answers"
    assert told["HOST_CONFIG"]["allowedOrigins"] == list(config.get_option("client.allowedOrigins"))
    assert answer.text.index("window.__streamlit") < answer.text.index('<script type="module"'), "scripts read it when they begin"


def test_under_a_prefix_the_pages_are_there_and_only_there():
    client = TestClient(Starlette(routes=server.routes("/lab/")))
    assert [client.get(path).status_code for path in ("/lab/", "/lab/verify", "/verify", "/")] == [200, 200, 404, 404]


@pytest.mark.parametrize(("cookies", "told"), [({}, True), ({"_streamlit_xsrf": "2|a"}, True), ({"_streamlit_user": "a", "_streamlit_xsrf": "2|a"}, True),
                                               ({"_streamlit_user": "a"}, False), ({"_streamlit_user__1": "a"}, False)])
def test_who_is_signed_in_by_a_provider_and_lost_the_token_waits_for_it(client: TestClient, cookies: dict[str, str], told: bool):
    client.cookies.update(cookies)
    assert ("HOST_CONFIG" in json.loads(SAID.search(client.get("/inbox").text)[1])) is told


def test_a_streamlit_with_another_first_page_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "index.html").write_text("<html><head><title>Streamlit</title></head></html>")
    monkeypatch.setattr(file_util, "get_static_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r"app/server\.py"):
        server.streamlit_page()
