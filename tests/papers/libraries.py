"""A server that speaks as Semantic Scholar, arXiv, OpenAlex and the Hub do, and fails as it is told: 429, 500, garbage, nothing."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from documents import html, pdf

S2 = {"paperId": "a" * 40, "externalIds": {"ArXiv": "2406.06484", "DOI": "10.48550/arXiv.2406.06484", "CorpusId": 7}, "url": "https://www.semanticscholar.org/paper/" + "a" * 40,
      "title": "Parallelizing Linear Transformers with the Delta Rule over Sequence Length", "abstract": "Transformers with linear attention.", "venue": "Neural Information Processing Systems", "year": 2024,
      "citationCount": 123, "authors": [{"authorId": "1", "name": "Songlin Yang"}, {"authorId": "2", "name": "Bailin Wang"}], "tldr": {"model": "tldr@v2.0.0", "text": "DeltaNet in parallel."},
      "openAccessPdf": None}
ATOM = """<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title type="html">ArXiv Query</title><opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">1</opensearch:totalResults>{entries}</feed>"""
ENTRY = """<entry><id>http://arxiv.org/abs/{id}v2</id><updated>2024-08-01T00:00:00Z</updated><published>2024-06-10T17:24:42Z</published><title>A Paper of
  {id} &lt;b&gt;bold&lt;/b&gt;</title><summary> It is about $O(n)$ attention. </summary><author><name>Ann Roe</name></author><author><name>Bob Poe</name></author>
<arxiv:doi xmlns:arxiv="http://arxiv.org/schemas/atom">10.1000/XYZ.{id}</arxiv:doi><link href="http://arxiv.org/abs/{id}v2" rel="alternate"/><link title="pdf" href="{base}/pdf/{id}v2" rel="related"/></entry>"""
BAD_ID = "<entry><id>http://arxiv.org/api/errors#incorrect_id_format</id><title>Error</title><summary>incorrect id format</summary></entry>"
WORK = {"id": "https://openalex.org/W42", "doi": "https://doi.org/10.1000/abc", "title": "An open work", "publication_year": 2023, "cited_by_count": 5, "authorships": [{"author": {"display_name": "Cee Dee"}}],
        "abstract_inverted_index": {"works": [2], "Open": [0], "attention": [1]}, "primary_location": {"landing_page_url": "https://arxiv.org/abs/2301.00007", "pdf_url": None, "source": {"display_name": "arXiv"}},
        "best_oa_location": None, "locations": []}
HUB = {"paper": {"id": "2406.06484", "authors": [{"name": "Songlin Yang", "hidden": False}], "publishedAt": "2024-06-10T17:24:42.000Z", "title": "Parallelizing Linear Transformers", "summary": "Linear.",
                 "ai_summary": "Trained in chunks.", "upvotes": 9}, "publishedAt": "2024-06-10T17:24:42.000Z", "title": "Parallelizing Linear Transformers"}


class Libraries:
    """`faults`: one for each request to come, then none: a status, "garbage", "empty", "null" or a (status, headers)."""

    def __init__(self) -> None:
        self.faults: list = []
        self.asked: list[tuple[str, dict, dict]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(parts.query).items()}
                outer.asked.append((parts.path, query, dict(self.headers)))
                fault = outer.faults.pop(0) if outer.faults else None
                status, headers = fault if isinstance(fault, tuple) else (fault if isinstance(fault, int) else 200, {})
                body = {"garbage": b"<<<{", "empty": b"", "null": b"null"}.get(fault) if isinstance(fault, str) else outer.answer(parts.path, query)
                if body is None:
                    status, body = 404 if fault is None else status, b'{"error": "not found"}'
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, query: dict) -> bytes | None:
        if path == "/graph/v1/paper/search":
            return json.dumps({"total": 1, "offset": 0, "data": [S2]} if query["query"] != "nothing" else {"total": 0, "offset": 0}).encode()
        if path.startswith("/graph/v1/paper/"):
            return json.dumps(S2).encode() if "2406.06484" in path or "10.1000" in path else None
        if path == "/api/query":
            id = query.get("id_list") or ("2101.00001" if "nothing" not in query["search_query"] else "")
            return ATOM.format(entries=BAD_ID if id == "bad" else ENTRY.format(id=id, base=self.base) if id else "").encode()
        if path == "/works":
            return json.dumps({"meta": {"count": 1}, "results": [WORK]}).encode()
        if path.startswith("/works/"):
            return json.dumps(WORK).encode()
        if path == "/api/papers/search":
            return json.dumps([HUB]).encode()
        if path.startswith("/api/papers/"):
            return json.dumps(HUB["paper"]).encode()
        if path.startswith("/html/"):
            return html(3).encode() if path.endswith("2101.00001") else None
        if path.startswith("/pdf/"):
            return pdf(["Fetched words of a paper that are long enough", "Abstract", "zebra crossing attention"])
        return None
