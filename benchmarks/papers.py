"""How long a search over the papers' library takes: `python benchmarks/papers.py [papers] [passages a paper] [folder]`.

Makes a library of generated papers (words drawn by Zipf's law from a vocabulary of 30,000, as text has them) in a temporary directory, and asks the queries of
tests/papers/queries.yaml and some of common words; prints the median, the 95th percentile and the slowest, in milliseconds of wall clock and of processor time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.config import Config  # noqa: E402
from core.papers.library import PaperLibrary  # noqa: E402
from core.store import Store  # noqa: E402
from core.store import paper_index as index  # noqa: E402
from core.store.paper_nouns import Filters  # noqa: E402

COMMON = ["model", "attention", "state memory", "training data results", "the model of attention"]
WORDS = 120      # of a passage
FEW = 250        # one paper of so many is of another tier


def fill(store: Store, papers: int, passages: int) -> None:
    """The rows that `add` and `add_file` would write, in bulk."""
    rng = np.random.default_rng(0)
    queries = yaml.safe_load((ROOT / "tests/papers/queries.yaml").read_text())
    known = list(dict.fromkeys(w for q in queries for w in index.terms(q)))
    vocabulary = np.array(["model", "attention", "state", "training", "data", "results", *known, *(f"w{n}" for n in range(30_000 - 6 - len(known)))])
    weights = 1 / np.arange(3, len(vocabulary) + 3)
    weights /= weights.sum()
    next_id = 1
    for start in range(0, papers, 500):
        with store.database.write() as c:
            c = c.connection.driver_connection
            for n in range(start, min(papers, start + 500)):
                words = vocabulary[rng.choice(len(vocabulary), size=passages * WORDS + 40, p=weights)]
                title, gist = " ".join(words[:10]), " ".join(words[10:40])
                c.execute("INSERT INTO papers(id, title, title_key, year, tiers, designs, facts, created_at) VALUES (?, ?, ?, ?, ?, '  ', ?, '2026-01-01 00:00:00')",
                          (f"p{n}", title, title.replace(" ", ""), 1990 + n % 35, " further " if n % FEW == 0 else " primary ", f'{{"title": "{title}", "idea": "{gist}", "year": {1990 + n % 35}}}'))
                seq = c.execute("SELECT last_insert_rowid()").fetchone()[0]
                c.execute("INSERT INTO paper_cards(rowid, title, people, gist, body) VALUES (?, ?, '', ?, '')", (seq, title, gist))
                rows = [(next_id + k, f"p{n}", k + 1, "Method", " ".join(words[40 + k * WORDS : 40 + (k + 1) * WORDS])) for k in range(passages)]
                c.executemany("INSERT INTO paper_passages(id, paper_id, number, section, text) VALUES (?, ?, ?, ?, ?)", rows)
                c.executemany("INSERT INTO paper_words(rowid, section, text) VALUES (?, ?, ?)", [(r[0], r[3], r[4]) for r in rows])
                next_id += passages


def cut(query: str) -> str:
    """As it stands while the last word is being typed."""
    start, _, last = query.rpartition(" ")
    return f"{start} {last[: max(2, len(last) // 2)]}".strip()


def main() -> None:
    papers, passages = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory() as temporary:
        folder = sys.argv[3] if len(sys.argv) > 3 else temporary      # one that is kept is filled once
        store = Store.open(Config.from_env({"DATA_DIR": folder}), migrate=True)
        if not store.papers.count():
            fill(store, papers, passages)
        library = PaperLibrary(store, ROOT / "library").ready()
        queries = [*yaml.safe_load((ROOT / "tests/papers/queries.yaml").read_text()), *COMMON]
        print(f"{library.store.papers.count():,} papers, {papers * passages:,} passages, {Path(store.database.path).stat().st_size / 2**20:,.0f} MB")
        for name, filters, prefix in (("as asked", Filters(), False), ("last word half typed", Filters(), True), ("years 2000 to 2010", Filters(2000, 2010), False), ("a tier of few papers", Filters(tier="further"), False), ("one year in 35", Filters(2003, 2003), False)):
            wall, used = [], []
            for query in [cut(q) for q in queries] if prefix else queries:
                library.search(query, filters, 10, prefix)      # once for the file cache: a library that is in use
                at, cpu = time.perf_counter(), time.process_time()
                library.search(query, filters, 10, prefix)
                wall.append((1000 * (time.perf_counter() - at), query))
                used.append(1000 * (time.process_time() - cpu))
            times = sorted(t for t, _ in wall)
            print(f"{name:>20}: median {times[len(times) // 2]:6.1f} ms, 95 % {times[int(0.95 * len(times))]:6.1f} ms, slowest {times[-1]:6.1f} ms (“{max(wall)[1]}”); processor time: median {sorted(used)[len(used) // 2]:.1f}, most {max(used):.1f} ms")
        store.close()


if __name__ == "__main__":
    main()
