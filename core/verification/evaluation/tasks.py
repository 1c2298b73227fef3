"""Tasks of our own: YAML files in library/tasks, their data beside them or in local folders. lm-eval's index of thousands of files is not paid for.

A file is an lm-eval task config with a few keys of ours, which are taken out before lm-eval sees it:

    data_file    a JSONL beside the YAML; or
    folders      names of folders of *.jsonl, looked for in Places, the first found is taken
    choices      the columns with the candidates, the right one first in line with doc_to_target
    parts        the column that names an item's part, each of which is scored apart; the file's name where a line lacks it
    overall      "items" (each item counts the same, unless told) or "parts" (each part does)
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from lm_eval.api.task import ConfigurableTask

from core.errors import VerificationError
from core.quick_yaml import parsed
from core.types import Json

OURS = ("data_file", "folders", "choices", "parts", "overall")


@dataclass(frozen=True)
class Places:
    """Where tasks and their data lie."""

    tasks: Path                      # library/tasks
    data_dir: Path                   # DATA_DIR
    corpus: Path | None = None       # a local corpus, which may have test sets inside or beside it
    hub_key: str = field(default="", repr=False)  # for data on the Hub that ask for one

    def folders(self, names: Sequence[str]) -> list[Path]:
        """Where data of one of these names may be, in the order of looking."""
        roots = [self.data_dir, *([self.corpus, self.corpus.absolute().parent] if self.corpus else [])]
        return [root / name for root in roots for name in names]


class Rows(list):
    """A split as lm-eval reads one: a list of documents that knows its columns."""

    @property
    def features(self) -> dict[str, None]:
        return dict.fromkeys(key for row in self for key in row)


class LocalTask(ConfigurableTask):
    """Remembers what lm-eval found for each document: (number of choices, its metrics)."""

    def __init__(self, config: Json) -> None:
        self.found: list[tuple[int, dict[str, Any]]] = []
        super().__init__(config=config)

    def process_results(self, doc: Json, results: list) -> dict[str, Any]:
        metrics = super().process_results(doc, results)
        self.found.append((len(results), metrics))
        return metrics


@dataclass(frozen=True)
class OwnTask:
    """A YAML of ours with its data read."""

    name: str
    config: Json                     # lm-eval's
    rows: Rows
    parts: tuple[str, ...]           # of each row; empty where the task has none
    by_parts: bool                   # the whole is the mean over parts

    def made(self) -> LocalTask:
        split = self.config["test_split"]
        return LocalTask({**self.config, "custom_dataset": lambda **_: {split: self.rows}})


def own_names(places: Places) -> dict[str, Path]:
    """name → its YAML. The name is the file's."""
    return {path.stem: path for path in sorted(places.tasks.glob("*/*.yaml"))}


def unknown(name: str, known: Sequence[str]) -> VerificationError:
    """The error for a name that no task has."""
    close = difflib.get_close_matches(name, known, 3, 0.5)
    return VerificationError(f"no task is named {name!r}", f"did you mean {', '.join(close)}?" if close else "tasks of our own are in library/tasks, all others are lm-eval's")


def load_own(path: Path, places: Places) -> OwnTask:
    """Raises VerificationError: for a YAML that is none, for data that is missing (naming where it was looked for), for a bad line (file:line)."""
    try:
        config = parsed(path.read_text(encoding="utf-8"))
        ours = {key: config.pop(key, None) for key in OURS}
        config["task"], config["test_split"], config["output_type"]
        if not ours["data_file"] and not ours["folders"]:
            raise KeyError("data_file or folders")
    except (OSError, yaml.YAMLError, KeyError, AttributeError, TypeError, UnicodeDecodeError) as error:
        raise VerificationError(f"task {path} cannot be loaded: {error!r}", "see library/tasks/minimal_pairs") from error
    columns = ours["choices"] or []
    rows, stems = Rows(), []
    for file in [path.parent / ours["data_file"]] if ours["data_file"] else _files(path.stem, ours["folders"], places):
        found = _lines(file, columns)
        rows += found
        stems += [file.stem] * len(found)
    if not rows:
        raise VerificationError(f"task {path.stem} has no items", "its JSONL files are empty")
    parts = tuple(str(row.get(ours["parts"], stem)) for row, stem in zip(rows, stems, strict=True)) if ours["parts"] else ()
    if columns:  # a template would be compiled anew for each item
        config["doc_to_choice"] = lambda row: [row[column] for column in columns]
    if config.get("doc_to_text") == "":
        config["doc_to_text"] = lambda row: ""
    return OwnTask(path.stem, config, rows, parts, ours["overall"] == "parts")


def _files(name: str, folders: Sequence[str], places: Places) -> list[Path]:
    looked = places.folders(folders)
    for folder in looked:
        files = sorted(folder.glob("*.jsonl"))
        if files:
            return files
    raise VerificationError(f"task {name} has no data here: no *.jsonl in {', '.join(str(folder) for folder in looked)}",
                            f"put its sets there as {looked[0]}/<set>.jsonl")


def _lines(file: Path, columns: Sequence[str]) -> list[Json]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VerificationError(f"{file} cannot be read: {error}", "give a UTF-8 file with one JSON object a line") from error
    return [_row(line, f"{file}:{n}", columns) for n, line in enumerate(lines, 1) if line.strip()]


def _row(line: str, where: str, columns: Sequence[str]) -> Json:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise VerificationError(f"{where} is no JSON: {error}", "each line is one JSON object") from None
    if not isinstance(row, dict):
        raise VerificationError(f"{where} is a JSON {type(row).__name__}", "each line is one JSON object")
    wrong = [column for column in columns if not (isinstance(row.get(column), str) and row[column])]
    if wrong:
        raise VerificationError(f"{where} has no text in {', '.join(wrong)}", f"each line needs {', '.join(columns)}")
    return row
