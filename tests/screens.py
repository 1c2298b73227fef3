"""What a page says, as one text."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) **bold** \u202e $x$ `code`"


def said(test: AppTest) -> str:
    return "\n".join(e.value for kind in (test.markdown, test.caption, test.subheader, test.error, test.warning, test.info) for e in kind)
