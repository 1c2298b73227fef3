"""What this machine has and what is amiss, each finding with its mend."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable

from core.config import KEYS, ROOT, Config
from core.errors import ModelDiscoveryError
from core.surroundings import Finding


def examine(config: Config) -> list[Finding]:
    probes: list[Callable[[Config], list[Finding]]] = [_python, _packages, _device, _directories, _database, _library, _sandbox, _keys, _models, _sign_in]
    found = []
    for probe in probes:
        try:
            found += probe(config)
        except ModelDiscoveryError as error:
            found.append(Finding(probe.__name__.strip("_"), "fail", error.what, error.mend))
    return found


def _python(config: Config) -> list[Finding]:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    words = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {len(_cores())} cores"
    return [Finding("python", "ok" if fits else "fail", words, "" if fits else "use Python 3.11, 3.12 or 3.13")]


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _packages(config: Config) -> list[Finding]:
    wrong = []
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        name, _, version = line.partition("#")[0].strip().partition("==")
        if not version:
            continue
        name = name.partition("[")[0]
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            have = "missing"
        if have.partition("+")[0] != version:
            wrong.append(f"{name} {have}, not {version}")
    if wrong:
        return [Finding("packages", "fail", "; ".join(wrong), "pip install -r requirements.txt")]
    return [Finding("packages", "ok", "as requirements.txt pins them")]


def _device(config: Config) -> list[Finding]:
    import torch

    if torch.cuda.is_available():
        return [Finding("device", "ok", f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}")]
    return [Finding("device", "ok", f"processor only, {config.threads or len(_cores())} threads: nano and micro are for you")]


def _directories(config: Config) -> list[Finding]:
    config.make_dirs()
    free = shutil.disk_usage(config.data_dir).free / 2**30
    state, mend = ("ok", "") if free > 2 else ("warn", "free some space: checkpoints and token files go there")
    return [Finding("data", state, f"{config.data_dir}, {free:.1f} GiB free", mend)]


def _database(config: Config) -> list[Finding]:
    from core.jobs import Queue
    from core.store import Store

    store = Store.open(config)
    workers = Queue(store, config.lease_s).workers()
    words = f"{store.url}, {len(store.designs.all())} designs"
    found = [Finding("database", "ok", words)]
    if workers:
        found.append(Finding("workers", "ok", ", ".join(w.name for w in workers)))
    else:
        found.append(Finding("workers", "warn", "none is running", "python -m core worker (run_demo.sh starts one)"))
    store.close()
    return found


def _library(config: Config) -> list[Finding]:
    from core.gab.references import load_references
    from core.gab.scales import load_scales
    from core.verification.probes.suites import get_suite, load_suites

    references, scales = load_references(config.library_dir), load_scales(config.scales_file)
    for scale in scales.values():
        if scale.probes:
            get_suite(load_suites(config.library_dir / "probes.yaml"), scale.probes)
    return [Finding("library", "ok", f"{len(references)} references, scales {', '.join(scales)}")]


def _sandbox(config: Config) -> list[Finding]:
    from core.sandbox.run import layers

    return [Finding(f"sandbox {name}", "ok" if held else "warn", why) for name, held, why in layers()]


def _keys(config: Config) -> list[Finding]:
    have = list(config.keys)
    missing = [name for name in KEYS if name not in config.keys]
    return [Finding("keys", "ok", f"present: {', '.join(have) or 'none'}; absent, all optional: {', '.join(missing) or 'none'}")]


def _models(config: Config) -> list[Finding]:
    from core.llm.catalogue import load_catalogue
    from core.llm.price import load_prices

    catalogue = load_catalogue(config.providers_file)
    load_prices(config.prices_file)
    found = [f"{e.label} ({config.key_variables[e.key]})" for e in catalogue.entries.values() if e.key in config.keys]
    lacking = [f"{e.label} (set {e.key})" for e in catalogue.entries.values() if e.key and e.key not in KEYS and e.key not in config.keys]
    if found:
        return [Finding("language models", "ok", ", ".join(found) + (f"; without a key: {', '.join(lacking)}" if lacking else ""))]
    return [Finding("language models", "ok", f"no key{': ' + ', '.join(lacking) if lacking else ''}: the built-in agents work without one", catalogue.how_to_get_one())]


def _sign_in(config: Config) -> list[Finding]:
    from core.users import Users, provider_file

    users, provider = Users(config), provider_file()
    words = f"{len(users.all())} users, {len(users.admins())} of them admins{f'; a provider in {provider}' if provider else ''}; {config.sign_in or 'on where other machines reach the app'}"
    return [Finding("sign-in", "ok", words)]
