"""The reference designs of library/designs. `python -m core.gab.references` writes each gab.py anew from its design.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DesignError, UnitError
from core.gab.located import Lines, read_located
from core.gab.units import UnitLibrary
from core.types import UnitTree

TEXTS = ("title", "authors", "paper", "url", "summary")


@dataclass(frozen=True)
class ReferenceDesign:
    slug: str
    title: str
    authors: str
    year: int
    paper: str                       # arXiv id, or a citation where there is none
    url: str
    summary: str
    units: UnitTree
    code: str                        # gab.py


def load_references(library_dir: Path) -> list[ReferenceDesign]:
    """Sorted by year. Raises DesignError naming file, line and key or unit."""
    folders = [path.parent for path in sorted((library_dir / "designs").glob("*/design.yaml"))]
    library = UnitLibrary(library_dir / "units")
    return sorted((load_reference(folder, library) for folder in folders), key=lambda r: (r.year, r.slug))


def load_reference(folder: Path, library: UnitLibrary) -> ReferenceDesign:
    path = folder / "design.yaml"
    data, lines = read_located(path, "see library/designs/gpt2/design.yaml")
    for key in TEXTS:
        if not isinstance(data.get(key), str):
            raise DesignError(f"{path}:{lines.get((key,), 1)}: {key!r} is missing or no text", "see library/designs/gpt2/design.yaml")
    if not isinstance(data.get("year"), int):
        raise DesignError(f"{path}:{lines.get(('year',), 1)}: 'year' is missing or no number", "see library/designs/gpt2/design.yaml")
    units = read_units(path, data.get("units"), lines, library)
    try:
        code = (folder / "gab.py").read_text(encoding="utf-8")
    except OSError as error:
        raise DesignError(f"{folder / 'gab.py'} cannot be read: {error.strerror}", "python -m core.gab.references") from error
    summary = " ".join(data["summary"].split())
    return ReferenceDesign(folder.name, data["title"], data["authors"], data["year"], data["paper"], data["url"], summary, units, code)


def read_units(path: Path, data: Any, lines: Lines, library: UnitLibrary) -> UnitTree:
    """The tree under `units`. Raises UnitError naming file, line, unit and mend."""
    found = _tree(path, data, lines, ("units",))
    try:
        library.validate(found)
    except UnitError as error:
        place = ("units", *(part for slot in error.path or () for part in ("children", slot)))
        raise UnitError(f"{path}:{lines.get(place, 1)}: {error.what}", error.mend, error.path) from None
    return found


def _tree(path: Path, data: Any, lines: Lines, place: tuple[str, ...]) -> UnitTree:
    config, children = (data.get("config"), data.get("children")) if isinstance(data, dict) else (None, None)
    if not isinstance(data, dict) or not isinstance(data.get("unit"), str) or not isinstance(config or {}, dict) or not isinstance(children or {}, dict):
        where = ".".join(("block", *place[2::2]))
        raise UnitError(f"{path}:{lines.get(place, 1)}: {where} is no unit", "each has `unit`, and where they apply the mappings `config` and `children`")
    unknown = sorted(set(data) - {"unit", "config", "children"})
    if unknown:
        raise UnitError(f"{path}:{lines.get((*place, unknown[0]), 1)}: {data['unit']} has an unknown key {unknown[0]!r}", "the keys are unit, config and children")
    return UnitTree(data["unit"], dict(config or {}), {slot: _tree(path, child, lines, (*place, "children", slot)) for slot, child in (children or {}).items()})


def write_references(library_dir: Path) -> list[Path]:
    """Compose every reference's gab.py from its design.yaml; the files written."""
    library, written = UnitLibrary(library_dir / "units"), []
    for path in sorted((library_dir / "designs").glob("*/design.yaml")):
        (path.parent / "gab.py").touch()
        ref = load_reference(path.parent, library)
        (path.parent / "gab.py").write_text(composed(library, ref), encoding="utf-8")
        written.append(path.parent / "gab.py")
    return written


def composed(library: UnitLibrary, ref: ReferenceDesign) -> str:
    return library.compose(ref.units, title=ref.title, summary=ref.summary, source=f"{ref.authors} {ref.year}, {ref.paper}")


if __name__ == "__main__":
    for file in write_references(Path(__file__).resolve().parents[2] / "library"):
        print(file)
