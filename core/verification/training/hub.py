"""Data sets and tokenizers of the Hugging Face Hub, through `datasets` in streaming mode and `huggingface_hub`.

    DATA_DIR/corpora/hub/<dataset>…/  rows.bin  state.json     the rows' texts read so far, from the first one on

Rows are kept as they come: a stopped preparation goes on at the row after, another vocabulary reads them again without the network, and more
tokens of the same data set only add to them. The commit is pinned by the first read, so that what is added later is of the same version.
`HF_KEY` opens gated and private data sets. `HF_ENDPOINT`, as huggingface_hub reads it, may name a mirror.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.config import Config
from core.errors import CorpusError
from core.verification.training.documents import RowText, cut, pieces
from core.verification.training.recipes import Hub
from core.verification.training.streams import Spot

LENGTH = struct.Struct("<I")
OURS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)  # errors of this machine's disk, not of the Hub
READ_TRIES = 4               # datasets' own default of 20 would keep a person waiting for a quarter of an hour


class HubStream:
    """The documents of one data set: of the rows on disk, then of the Hub."""

    total = 0

    def __init__(self, origin: Hub, config: Config, wait: Callable[[], None]) -> None:
        """`wait` is called while another process adds rows; it may raise to stop."""
        self.origin = origin
        self.wait = wait
        self.config = config
        name = "--".join(p for p in (origin.dataset.replace("/", "--"), origin.subset, origin.split) if p)
        facts = {key: value for key, value in asdict(origin).items() if key != "rows"}
        self.folder = config.data_dir / "corpora" / "hub" / f"{re.sub(r'[^a-zA-Z0-9._-]+', '-', name)}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]}"
        self.row = RowText(origin.field, origin.template)
        self.stack = contextlib.ExitStack()
        self.sink = None             # open while this process adds rows
        self.stream: Any = None
        self._load()

    def _load(self) -> None:
        try:
            state = json.loads((self.folder / "state.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            state = {"bytes": 0, "rows": 0, "commit": "", "stream": None, "done": False}
        except (OSError, ValueError) as error:
            raise CorpusError(f"{self.folder / 'state.json'} cannot be read: {error}", f"remove {self.folder}: it is fetched again") from error
        self.bytes, self.n, self.commit, self.state, self.done = (state[k] for k in ("bytes", "rows", "commit", "stream", "done"))

    # ------------------------------------------------------------------------------------------ documents

    def documents(self, start: Spot) -> Iterator[tuple[str, Spot | None]]:
        if self.origin.rows == "documents":
            for text, end in self._rows(start[0] if start else 0):
                yield from pieces(text, [end])
            return
        lines = ((text.rstrip("\r\n").encode() + b"\n", [end]) for text, end in self._rows(start[0] if start else 0))
        for raw, spot in cut(lines, self.origin.rows == "headings"):
            yield raw.decode(), spot

    def _rows(self, at: int) -> Iterator[tuple[str, int]]:
        """(text, the byte of rows.bin after it)"""
        while True:
            if self.sink is not None:
                self.sink.flush()
            if at < self.bytes:
                with (self.folder / "rows.bin").open("rb") as source:
                    source.seek(at)
                    while at < self.bytes:
                        text = source.read(LENGTH.unpack(source.read(LENGTH.size))[0])
                        at += LENGTH.size + len(text)
                        yield text.decode(), at
            if self.done:
                return
            if self.sink is None:
                self._open()
                continue  # another process may have read on meanwhile
            try:
                for text in self._fetched():
                    raw = text.encode()
                    self.sink.write(LENGTH.pack(len(raw)) + raw)
                    at = self.bytes = self.bytes + LENGTH.size + len(raw)
                    self.n += 1
                    yield text, at
                self.done = True
            finally:  # also when the Hub breaks off, or the reader has enough
                self.flush()

    def _open(self) -> None:
        """Become the one that adds rows."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = self.stack.enter_context((self.folder / "lock").open("a"))
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                self.wait()
                time.sleep(0.3)
        self._load()
        path = self.folder / "rows.bin"
        self.sink = self.stack.enter_context(path.open("ab"))
        if path.stat().st_size < self.bytes:
            raise CorpusError(f"{path} has {path.stat().st_size:,} bytes, {self.bytes:,} were written", f"remove {self.folder}: it is fetched again")
        os.truncate(path, self.bytes)

    def flush(self) -> None:
        """Everything fetched so far, on disk, with the place the Hub's stream has reached."""
        if self.sink is None:
            return
        self.sink.flush()
        os.fsync(self.sink.fileno())
        if self.stream is not None and not self.done:
            self.state = self.stream.state_dict()
        state = {"bytes": self.bytes, "rows": self.n, "commit": self.commit, "stream": self.state, "done": self.done, "origin": asdict(self.origin)}
        scratch = self.folder / "state.json.tmp"
        with scratch.open("w") as sink:
            json.dump(state, sink)
            sink.flush()
            os.fsync(sink.fileno())
        os.replace(scratch, self.folder / "state.json")

    def close(self) -> None:
        self.stream = None
        with contextlib.suppress(OSError):  # a full disk: what a flush made durable is all that counts
            self.stack.close()
        self.sink = None

    # ------------------------------------------------------------------------------------------ the Hub

    def _fetched(self) -> Iterator[str]:
        """The texts of the rows after those on disk. Raises CorpusError naming the data set and why."""
        with _said(f"the data set {self.origin.dataset}"):
            self.stream = self._stream()
            rows = iter(self.stream)
        while True:
            with _said(f"the data set {self.origin.dataset}"):
                row = next(rows, None)
            if row is None:
                return
            yield self._text(row)

    def _text(self, row: Mapping[str, Any]) -> str:
        try:
            return self.row(row)
        except LookupError as error:
            raise CorpusError(f"the data set {self.origin.dataset}, row {self.n + 1}: {error.args[0]}", "name the field that holds the text in the corpus's YAML: field: …") from None

    def _stream(self) -> Any:
        _home(self.config)
        import datasets
        from huggingface_hub import HfApi

        datasets.config.STREAMING_READ_MAX_RETRIES = READ_TRIES
        token = _token(self.config)
        if not self.commit:
            self.commit = HfApi(token=token).dataset_info(self.origin.dataset, revision=self.origin.revision or None, timeout=30.0).sha or ""
        stream = datasets.load_dataset(
            self.origin.dataset, self.origin.subset or None, split=self.origin.split, revision=self.commit or None, streaming=True, token=token,
            data_files=self.origin.files or None, cache_dir=str(self.config.data_dir / "hub" / "datasets"))
        if stream.column_names and set(self.row.names) <= set(stream.column_names):
            stream = stream.select_columns(list(self.row.names))
        if self.state:
            stream.load_state_dict(self.state)
        return stream


def fetch_tokenizer(name: str, config: Config) -> tuple[Path, Path | None]:
    """(tokenizer.json, tokenizer_config.json) of `owner/name` or `owner/name@revision`, kept under DATA_DIR; without the network from there. Raises CorpusError."""
    folder = config.data_dir / "corpora" / "tokenizers" / re.sub(r"[^a-zA-Z0-9._-]+", "--", name)
    file, settings = folder / "tokenizer.json", folder / "tokenizer_config.json"
    if not file.is_file():
        _home(config)
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import RemoteEntryNotFoundError

        repo, _, revision = name.partition("@")
        with _said(f"the tokenizer {name}"):
            found = {}
            for target in (settings, file):
                try:
                    found[target] = hf_hub_download(repo, target.name, revision=revision or None, token=_token(config), cache_dir=config.data_dir / "hub" / "hub")
                except RemoteEntryNotFoundError:
                    if target is file:
                        raise
        folder.mkdir(parents=True, exist_ok=True)
        for target, source in found.items():  # tokenizer.json last: where it is, both are
            shutil.copyfile(source, target.with_suffix(".tmp"))
            os.replace(target.with_suffix(".tmp"), target)
    return file, settings if settings.is_file() else None


def _token(config: Config) -> str | None:
    """None: whatever login the person has on this machine, or nobody's."""
    key = config.keys.get("huggingface")
    return str.__str__(key) if key else None


def _home(config: Config) -> None:
    """Where the Hub's libraries keep their small files, unless the person said so; they read it once, when they are imported."""
    os.environ.setdefault("HF_HOME", str(config.data_dir / "hub"))
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


@contextlib.contextmanager
def _said(what: str) -> Iterator[None]:
    """What the Hub's libraries raise, as one CorpusError: which data set, why, and what to do."""
    import httpx2 as httpx  # what huggingface_hub and datasets speak HTTP with
    from datasets.exceptions import DatasetsError
    from huggingface_hub import errors
    from pyarrow import ArrowException

    try:
        yield
    except errors.HfHubHTTPError as error:
        raise CorpusError(f"{what}: {_status(error)}", _mend(error)) from error
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, httpx.TransportError, ConnectionError, TimeoutError) as error:
        raise CorpusError(f"{what}: the Hub at {_endpoint()} cannot be reached ({_reason(error)})", "check the network (or HF_ENDPOINT) and try again: what was read is kept. Offline, use python_docs or your own files") from error
    except (DatasetsError, ArrowException, ValueError, RuntimeError, FileNotFoundError) as error:
        raise CorpusError(f"{what} cannot be read: {_reason(error)}", "check dataset, subset, split and files in the corpus's YAML against its page on the Hub") from error
    except OSError as error:
        if error.errno in OURS:
            raise
        raise CorpusError(f"{what}: reading from the Hub broke off ({_reason(error)})", "try again: what was read is kept") from error


def _endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _status(error: Any) -> str:
    from huggingface_hub import errors

    code = getattr(error.response, "status_code", "?")
    if isinstance(error, errors.GatedRepoError):
        return f"the Hub keeps it behind a gate (HTTP {code})"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the Hub has no such revision (HTTP {code})"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"the Hub has none of that name, or not for everybody (HTTP {code})"
    if isinstance(error, errors.EntryNotFoundError):
        return f"the Hub has no such file in it (HTTP {code})"
    return f"the Hub at {_endpoint()} answered HTTP {code}"


def _mend(error: Any) -> str:
    from huggingface_hub import errors

    code = getattr(error.response, "status_code", 0)
    if isinstance(error, errors.RevisionNotFoundError | errors.EntryNotFoundError):
        return "check it against its page on the Hub"
    if code in (401, 403, 404):
        return "check its name; if it is gated or private, ask for access on its page and set HF_KEY to a token that may read it"
    return "try again later: what was read is kept"


def _reason(error: BaseException) -> str:
    words = str(error).strip().splitlines()
    return (words[0] if words else type(error).__name__)[:300]
