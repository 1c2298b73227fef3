"""Our evaluation against stock lm-eval on the same weights: BLiMP from local files, end to end, each side in a fresh process.

    python benchmarks/eval_vs_lm_eval.py [--pairs N] [--data ../shared/data/blimp] [--text ../shared/data/text]

A gpt2 block at nano is trained a little, so that accuracies are not chance, and exported as a Hugging Face folder. Then, one after the other: stock
`lm_eval` with its `hf` model at its default settings, ours, stock with a large batch. All in float32, with the same number of threads. Stock reads its own
BLiMP configuration, pointed at the files by its own include mechanism. A last run of stock that keeps its samples is not timed: it tells each item's outcome.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

STEPS, ROWS = 60, 8
TEMPLATE = "lm_eval/tasks/blimp/_template_yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, help="so many pairs in all, evenly from the sets; all of them unless told")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "blimp", help="a folder of BLiMP's *.jsonl")
    parser.add_argument("--text", type=Path, default=ROOT.parent / "shared" / "data" / "text", help="what the model is trained on")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--large", type=int, default=256, help="the batch of stock's second run")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.ours:
        ours(args.ours, args.threads)
        return
    work = Path(tempfile.mkdtemp(prefix="eval-benchmark-", dir="/var/tmp"))  # not /tmp: the sandbox has one of its own
    try:
        compare(work, args)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def compare(work: Path, args: argparse.Namespace) -> None:
    sets = cut_sets(args.data, work / "data" / "blimp_local", args.pairs)
    print(f"{platform.machine()}, {platform.system()}, {len(os.sched_getaffinity(0))} cores, {args.threads} threads, load {os.getloadavg()[0]:.1f}; "
          + ", ".join(f"{name} {version(name)}" for name in ("lm-eval", "torch", "transformers", "datasets")), flush=True)
    make_model(work, args)
    stock_tasks(work, sets)
    runs = {}
    seconds = {}
    for name, command in (("stock, default settings", stock(work, args)), ("ours", mine(work, args)), (f"stock, batch {args.large}", stock(work, args, args.large))):
        before = os.times()
        runs[name], seconds[name] = timed(command, work, args.threads)
        after = os.times()
        spent = runs[name].get("cpu_s") or after.children_user + after.children_system - before.children_user - before.children_system
        print(f"{name}: {seconds[name]:.1f} s, {spent:.1f} s of processor time", flush=True)
    items = stock_items(stock(work, args, args.large, samples=True), work, args.threads, sets)
    report(sets, runs, items, args)
    base = seconds["stock, default settings"]
    print(f"\nours is {base / seconds['ours']:.1f}× faster than stock at its default settings, {seconds[f'stock, batch {args.large}'] / seconds['ours']:.1f}× than stock with batch {args.large}")
    if any(list(found) != items[name] for name, found in runs["ours"]["items"].items()):
        raise SystemExit("the two do not agree")


# ------------------------------------------------------------------------------------------------------ what both get


def cut_sets(data: Path, target: Path, pairs: int | None) -> dict[str, int]:
    """set → pairs; the files that both sides read."""
    files = sorted(data.glob("*.jsonl"))
    if not files:
        raise SystemExit(f"no *.jsonl in {data}: name a folder of BLiMP sets with --data")
    target.mkdir(parents=True)
    sets = {}
    for file in files:
        lines = file.read_text().splitlines()[: max(2, pairs // len(files)) if pairs else None]
        (target / file.name).write_text("\n".join(lines) + "\n")
        sets[file.stem] = len(lines)
    return sets


def make_model(work: Path, args: argparse.Namespace) -> None:
    """Weights, briefly trained, and the same as a Hugging Face folder."""
    import numpy as np
    import torch
    from safetensors.torch import save_file

    from core.config import Config
    from core.gab.fit import fit
    from core.gab.hub import Trained, write_hub_folder
    from core.gab.loss import token_loss
    from core.gab.model import GAM, load_block
    from core.gab.scales import load_scales
    from core.verification.training.corpus import prepare

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    scale = load_scales(ROOT / "library" / "scales.yaml")["nano"]
    corpus = prepare(str(args.text) if args.text.exists() else None, scale.vocab_size, Config.from_env({"DATA_DIR": str(work)}))
    code = (ROOT / "library" / "designs" / "gpt2" / "gab.py").read_text()
    found = fit(code, scale, code)
    model = GAM(*load_block(code), scale.vocab_size, found.d_model, found.n_layers)
    tokens = np.fromfile(corpus.dir / "train.bin", np.uint16).astype(np.int64)
    optimizer = torch.optim.AdamW(model.parameters(), lr=scale.lr)
    for _ in range(STEPS):
        starts = torch.randint(len(tokens) - scale.context - 1, (ROWS,)).tolist()
        batch = torch.from_numpy(np.stack([tokens[s : s + scale.context + 1] for s in starts]))
        loss = token_loss(model.hidden(batch[:, :-1]), model.embedding.weight, batch[:, 1:]) / batch[:, 1:].numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"gpt2 at nano, {STEPS} steps, training loss {loss.item():.2f} nats", flush=True)
    weights = work / "weights.safetensors"
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in model.state_dict().items()}, weights)
    tokenizer = corpus.dir / "tokenizer.json"
    write_hub_folder(Trained(code, scale, found, weights, tokenizer, "# benchmark\n"), work / "hf", ROOT / "library" / "export" / "modeling_gab.py")
    (work / "ours.json").write_text(json.dumps({"code": code, "scale": asdict(scale), "fit": asdict(found), "weights": str(weights), "tokenizer": str(tokenizer)}))


def timed(command: list[str], work: Path, threads: int) -> tuple[dict, float]:
    """What the command leaves in work/out.json, and its seconds from start to end. Every process starts with empty caches of its own."""
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "HF_HOME": tempfile.mkdtemp(dir=work), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    started = time.monotonic()
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-4000:]}")
    return read_result(work), seconds


# -------------------------------------------------------------------------------------------------------------- stock


def stock_tasks(work: Path, sets: dict[str, int]) -> None:
    """lm-eval's own BLiMP configuration with local files in place of the Hub's."""
    import importlib.util

    package = Path(importlib.util.find_spec("lm_eval").origin).parent.parent
    folder = work / "tasks"
    folder.mkdir()
    for name in sets:
        (folder / f"{name}.yaml").write_text(json.dumps({
            "include": str(package / TEMPLATE), "task": f"local_{name}", "dataset_path": "json", "dataset_name": None,
            "dataset_kwargs": {"data_files": {"train": str(work / "data" / "blimp_local" / f"{name}.jsonl")}}}))
    (folder / "_group.yaml").write_text(json.dumps({"group": "local_blimp", "task": [f"local_{name}" for name in sets]}))


def stock(work: Path, args: argparse.Namespace, batch: int | None = None, samples: bool = False) -> list[str]:
    return [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={work / 'hf'},trust_remote_code=True,dtype=float32", "--tasks", "local_blimp",
            "--include_path", str(work / "tasks"), "--device", "cpu", "--output_path", str(work / "stock"), *(["--batch_size", str(batch)] if batch else []),
            *(["--log_samples"] if samples else [])]


def read_result(work: Path) -> dict:
    found = sorted((work / "stock").rglob("results_*.json"), key=lambda p: p.stat().st_mtime)
    if (work / "ours.out.json").is_file():
        out = json.loads((work / "ours.out.json").read_text())
        (work / "ours.out.json").unlink()
        return out
    results = json.loads(found[-1].read_text())["results"]
    return {"acc": {name.removeprefix("local_"): r["acc,none"] for name, r in results.items() if name != "local_blimp"}}


def stock_items(command: list[str], work: Path, threads: int, sets: dict[str, int]) -> dict[str, list[int]]:
    timed(command, work, threads)
    out = {}
    for name in sets:
        file = max((work / "stock").rglob(f"samples_local_{name}_*.jsonl"), key=lambda p: p.stat().st_mtime)
        rows = sorted((json.loads(line) for line in file.read_text().splitlines()), key=lambda row: row["doc_id"])
        out[name] = [int(row["acc"]) for row in rows]
    return out


# --------------------------------------------------------------------------------------------------------------- ours


def mine(work: Path, args: argparse.Namespace) -> list[str]:
    return [sys.executable, __file__, "--ours", str(work), "--threads", str(args.threads)]


def ours(work: Path, threads: int) -> None:
    """The evaluation of a verification: the oracle in its sandbox, the head and the labels here."""
    import torch
    from tokenizers import Tokenizer

    from core.types import Fit, Scale
    from core.verification.evaluation.harness import Places, run_tasks
    from core.verification.evaluation.opened import opened

    torch.set_num_threads(threads)
    given = json.loads((work / "ours.json").read_text())
    with opened(given["code"], Scale(**given["scale"]), Fit(**given["fit"]), Path(given["weights"]), threads=threads) as reader:
        found = run_tasks(reader, Tokenizer.from_file(given["tokenizer"]), ("blimp_local",), Places(ROOT / "library" / "tasks", work / "data"))
        cpu_s = sum(processor_seconds(pid) for pid in family(os.getpid()))
    parts = {name.partition("/")[2]: scores["acc"] for name, scores in found.scores.items() if "/" in name}
    (work / "ours.out.json").write_text(json.dumps({"acc": parts, "cpu_s": cpu_s, "items": {part: list(found.items[f"blimp_local/{part}"]) for part in parts}}))


def family(pid: int) -> list[int]:
    """A process and all that it started, the sandbox's processes among them: they are not waited for in ways that would count them."""
    stats = [path.read_text().rpartition(")") for path in Path("/proc").glob("[0-9]*/stat")]
    parent = {int(head.split(" ", 1)[0]): int(tail.split()[1]) for head, _, tail in stats}
    found = [pid]
    for one in found:
        found += [child for child, of in parent.items() if of == one]
    return found


def processor_seconds(pid: int) -> float:
    """User and system time of a process, with that of its children that have ended (proc(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------------------- report


def report(sets: dict[str, int], runs: dict[str, dict], items: dict[str, list[int]], args: argparse.Namespace) -> None:
    columns = list(runs)
    print(f"\n{'set':44}{'pairs':>6}  " + "".join(f"{c:>26}" for c in columns) + f"{'items that differ':>20}")
    for name, n in sets.items():
        differ = sum(a != b for a, b in zip(runs["ours"]["items"][name], items[name], strict=True))
        print(f"{name:44}{n:>6}  " + "".join(f"{runs[c]['acc'][name]:>26.4f}" for c in columns) + f"{differ:>20}")
    print(f"{'mean':44}{sum(sets.values()):>6}  " + "".join(f"{sum(runs[c]['acc'].values()) / len(sets):>26.4f}" for c in columns))


if __name__ == "__main__":
    main()
