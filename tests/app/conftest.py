"""A page of the app without a browser."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core.desk import Desk

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session", autouse=True)
def components() -> Iterator[None]:
    """Streamlit looks through all that is installed for components whenever a page is opened, which takes ten times as long as the page: here it looks once."""
    found = manifest_scanner.scan_component_manifests()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", lambda: found)
        yield


@pytest.fixture(autouse=True)
def faults() -> Iterator[list[str]]:
    """What failed on a page that is no error of the user's: a test that wants such a fault empties the list."""
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(logging.Formatter().format(record))

    logger, handler = logging.getLogger("app.shell"), Kept(logging.ERROR)
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)
    assert not found, found[0]


@pytest.fixture
def open_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """A page of the app over this test's data directory, as a visitor with this link sees it."""
    monkeypatch.setenv("DATA_DIR", str(Path(desk.store.database.path).parent))
    monkeypatch.setenv("NOISE_FILE", str(desk.config.noise_file))
    monkeypatch.chdir(ROOT)

    def opened(page: str, **query: str) -> AppTest:
        st.cache_resource.clear()
        test = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=30)
        test.query_params.update(query)
        if page != "tree":                  # which stands at the bare address; AppTest takes its file's name for that of its address
            test.switch_page(str(ROOT / "pages" / f"{page}.py"))
        test.run()
        assert not test.exception, test.exception
        return test

    return opened
