"""A Hub on 127.0.0.1: enough of its HTTP protocol for huggingface_hub and datasets to list, stream and fetch what a folder holds.

    <folder>/datasets/<owner>/<name>/…   <folder>/models/<owner>/<name>/…

A repository named in `gates` wants a token (401 without one), one in `fails` answers that status. What is not in the folder is 401, as on the Hub
for somebody without a token. `dies_after` closes the connection of the data file that is read beyond so many bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
FILE = re.compile(r"/(?:(datasets)/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+?)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?")


@dataclass
class StubHub:
    folder: Path
    gates: dict[str, str] = field(default_factory=dict)          # repository → its token
    fails: dict[str, int] = field(default_factory=dict)          # repository → HTTP status
    dies_after: int = 0
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> StubHub:
        stub = self

        class Handler(_Handler):
            hub = stub

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    hub: StubHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes = b"") -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if match := FILE.fullmatch(path):
            kind, repo, revision, name = match[1] or "models", match[2], match[3], match[4]
        elif match := API.fullmatch(path):
            kind, repo, revision, name = match[1], match[2], match[4] or COMMIT, ""
        else:
            return self._error(404, "")
        root = self.hub.folder / kind / repo
        if repo in self.hub.fails:
            return self._error(self.hub.fails[repo], "")
        if repo in self.hub.gates and self.headers.get("Authorization") != f"Bearer {self.hub.gates[repo]}":
            return self._error(401, "GatedRepo")
        if not root.is_dir():
            return self._error(401, "RepoNotFound")
        if revision not in (COMMIT, "main"):
            return self._error(404, "RevisionNotFound")
        if name:
            return self._file(root / name)
        files = [{"type": "file", "path": str(p.relative_to(root)), "size": p.stat().st_size, "oid": "0" * 40} for p in sorted(root.rglob("*")) if p.is_file()]
        if match[3] == "paths-info":
            sent = parse_qs(body.decode()) if b"=" in body and not body.startswith(b"{") else json.loads(body)
            return self._json([f for f in files if f["path"] in sent["paths"]])
        if match[3] == "tree":
            inside = f"{match[5]}/" if match[5] else ""
            below = [f for f in files if str(f["path"]).startswith(inside)]
            if "recursive=true" not in urlsplit(self.path).query.lower():
                folders = {str(f["path"])[len(inside):].partition("/")[0] for f in below if "/" in str(f["path"])[len(inside):]}
                below = [f for f in below if "/" not in str(f["path"])[len(inside):]]
                below += [{"type": "directory", "path": inside + name, "size": 0, "oid": "0" * 40} for name in sorted(folders)]
            return self._json(below) if below else self._error(404, "EntryNotFound")
        return self._json({"id": repo, "sha": COMMIT, "private": False, "siblings": [{"rfilename": f["path"]} for f in files]})

    def _file(self, path: Path) -> None:
        if not path.is_file():
            return self._error(404, "EntryNotFound")
        data, start = path.read_bytes(), 0
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        size = len(data)
        if asked:
            start = int(asked[1])
            data = data[start : int(asked[2]) + 1 if asked[2] else None]
        if self.hub.dies_after and self.command == "GET" and start + len(data) > self.hub.dies_after:
            self.close_connection = True
            return None
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
        for name, value in (("ETag", f'"{hashlib.sha1(path.read_bytes()).hexdigest()}"'), ("X-Repo-Commit", COMMIT), ("Accept-Ranges", "bytes"), ("Content-Length", str(len(data)))):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        return None

    def _json(self, data: object) -> None:
        raw = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def _error(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()
