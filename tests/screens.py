"""What a page says, as one text."""

from __future__ import annotations

import json

import pandas as pd
from streamlit.testing.v1 import AppTest

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) **bold** \u202e $x$ `code`"


def said(test: AppTest) -> str:
    return "\n".join(e.value for kind in (test.markdown, test.caption, test.subheader, test.error, test.warning, test.info) for e in kind)


def tables(test: AppTest) -> list[pd.DataFrame]:
    """Those that are sorted where they are seen, as they stand on the page."""
    found = [json.loads(e.proto.json) for e in test.get("bidi_component") if e.proto.component_name == "table"]
    return [pd.DataFrame(data["rows"], columns=data["fields"]) for data in found]


def results(test: AppTest) -> pd.DataFrame:
    """The table of what was measured."""
    [found] = [t for t in tables(test) if "bits/byte" in t]
    return found
