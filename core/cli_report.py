"""`python -m core report`: verifications in words, as JSON, or as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.build import BuildSystem
from core.dossier import dossier
from core.errors import ConfigError
from core.report import reports, to_json
from core.report.design import as_bibtex, as_markdown, builds_on
from core.report.html import as_html
from core.report.site import write_site
from core.report.words import as_csv, as_text

OPTIONS = (
    ("verifications", {"nargs": "+", "type": int, "metavar": "VERIFICATION", "help": "their numbers, as `show` prints them"}),
    ("--reference", {"default": "gpt2", "help": "the design to compare with"}),
    ("--price", {"type": float, "default": 0.0, "metavar": "MONEY", "help": "what an hour of the machine costs"}),
    ("--html", {"metavar": "FILE", "help": "write one self-contained page"}),
    ("--csv", {"metavar": "FILE", "help": "write one line a figure"}),
)


SITE = (("out", {"metavar": "FOLDER", "help": "a folder that does not exist yet"}), ("--run", {"dest": "run_id", "default": "", "help": "only what this run made, and what that descends from"}))
PAPERS = (("id", {"help": "a design's id"}),)


def site(args: argparse.Namespace) -> tuple[object, str, int]:
    """The tree as plain pages."""
    out = Path(args.out).absolute()
    count = write_site(BuildSystem().open(), out, args.run_id)
    return {"path": str(out), "designs": count}, f"{out}: {count} designs; open index.html", 0


def markdown(args: argparse.Namespace) -> tuple[object, str, int]:
    found = as_markdown(dossier(BuildSystem().open().store, args.id))
    return {"design": args.id, "markdown": found}, found, 0


def bibtex(args: argparse.Namespace) -> tuple[object, str, int]:
    """The papers that a design builds on."""
    found = builds_on(BuildSystem().open(), args.id)
    return [{"reference": r.slug, "title": r.title, "year": r.year, "paper": r.paper, "url": r.url} for r in found], as_bibtex(found) or "It builds on no reference.", 0


def report(args: argparse.Namespace) -> tuple[object, str, int]:
    desk = BuildSystem().open()
    desk.store.designs.get(args.reference)
    found = reports(desk, list(dict.fromkeys(args.verifications)), args.reference, args.price)
    for name, write in ((args.html, as_html), (args.csv, as_csv)):
        if name:
            _write(Path(name), write(found))
    data = [to_json(r) for r in found]
    return data[0] if len(data) == 1 else data, "\n\n".join(map(as_text, found)), 0


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}", "name a file in a folder that is there and writable") from error
