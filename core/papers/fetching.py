"""Files from elsewhere: an arXiv paper's HTML or PDF, an open PDF, a page by its link. Addresses within this machine's own network are refused, after every redirect too.

What it does not stop: a name that resolves to a public address when it is checked, and to an inner one when it is asked.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from core.errors import PaperError, SourceError
from core.papers.readers import LARGEST

REDIRECTS = 5


@dataclass(frozen=True)
class Fetched:
    name: str                            # a file's, with a suffix that fits what it is
    data: bytes
    url: str


@dataclass(frozen=True)
class Fetcher:
    client: httpx.Client
    arxiv: str = "https://arxiv.org"
    inner: bool = False                  # whether addresses of the own network are allowed

    def arxiv_file(self, arxiv: str) -> Fetched:
        """Its HTML, whose formulas can be read; where arXiv has none, its PDF."""
        try:
            return self.get(f"{self.arxiv}/html/{arxiv}", f"{arxiv.replace('/', '-')}.html")
        except SourceError:
            return self.get(f"{self.arxiv}/pdf/{arxiv}", f"{arxiv.replace('/', '-')}.pdf")

    def get(self, url: str, name: str = "") -> Fetched:
        """Raises SourceError where there is nothing to be had, PaperError for an address that is none."""
        for _ in range(REDIRECTS + 1):
            self._refuse_inner(url)
            try:
                with self.client.stream("GET", url, headers={"User-Agent": "model-discovery", "Accept": "application/pdf, text/html, */*"}, follow_redirects=False) as answer:
                    if answer.is_redirect and (to := answer.headers.get("location")):
                        url = urljoin(url, to)
                        continue
                    if answer.status_code != 200:
                        raise SourceError(f"{url} answers {answer.status_code}", "see whether the link opens in a browser")
                    data = bytearray()
                    for piece in answer.iter_bytes():
                        data += piece
                        if len(data) > LARGEST:
                            raise PaperError(f"{url} is larger than {LARGEST // 2**20} MB", "download it, and take out what is needed")
                    return Fetched(name or _name(url, bytes(data)), bytes(data), url)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise SourceError(f"{url} cannot be fetched: {type(error).__name__}", "see whether this machine has a network") from None
        raise SourceError(f"{url} leads on and on", "give the address where it ends")

    def _refuse_inner(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise PaperError(f"{url} is no link that is fetched here", "use http:// or https://")
        if self.inner:
            return
        try:
            found = {info[4][0] for info in socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)}
        except OSError:
            raise SourceError(f"{parts.hostname} is not known here", "see whether this machine has a network") from None
        if any(not ipaddress.ip_address(str(address).partition("%")[0]).is_global for address in found):
            raise PaperError(f"{parts.hostname} is an address within this machine's own network", "download the file, and import it")


def _name(url: str, data: bytes) -> str:
    stem = urlsplit(url).path.rstrip("/").rpartition("/")[2][:80] or "paper"
    if data[:5] == b"%PDF-":
        return stem if stem.lower().endswith(".pdf") else f"{stem}.pdf"
    return stem if "." in stem[-6:] and not stem.lower().endswith(".pdf") else f"{stem}.html"
