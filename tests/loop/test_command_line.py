"""The command line: the same powers, JSON, exit codes, and one line that says what is wrong and how to mend it."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from core.cli import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
PICO = ("pico: {n_layers: 2, d_model: 32, context: 64, vocab_size: 512, tokens: 20480, batch_tokens: 1024, lr: 3.0e-3, tolerance: 0.35, "
        "eval_tokens: 4096, minutes: 1}\n")


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """A data directory and a scale of its own."""
    (tmp_path / "scales.yaml").write_text(PICO)
    return {"DATA_DIR": str(tmp_path / "data"), "SCALES_FILE": str(tmp_path / "scales.yaml"), "THREADS": "1"}


@pytest.fixture
def process(surroundings: dict[str, str]):
    """`python -m core …`: (exit code, stdout, stderr)."""

    def run(*args: str, **env: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, "-m", "core", *args], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **surroundings, **env})
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def core(surroundings: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The same command in this process, which need not start Python and load torch each time."""

    def run(*args: str, **env: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patched, redirect_stdout(out), redirect_stderr(err):
            for name, value in (surroundings | env).items():
                patched.setenv(name, value)
            try:
                code = main(args)
            except SystemExit as ended:
                code = int(ended.code or 0)
        assert "Traceback" not in err.getvalue(), err.getvalue()
        return code, out.getvalue(), err.getvalue()

    return run


def one_line(error: str) -> str:
    lines = error.strip().splitlines()
    assert len(lines) == 1, error
    assert lines[0].startswith("error: ")
    assert " — " in lines[0], "it says how to mend it"
    return lines[0]


def test_the_loop_by_hand(process, tmp_path: Path):
    assert process("budget", "pico", "5")[0] == 0
    code, out, _ = process("design", "--parents", "gpt2,llama", "--mode", "crossover", "-n", "2", "--seed", "1", "--scale", "pico", "--json")
    assert code == 0
    made = json.loads(out)
    assert made["waiting"]
    best, other = (d["id"] for d in made["designs"])
    assert json.loads(process("refuse", other, "--reason", "not new", "--json")[1])["status"] == "refused"
    assert json.loads(process("approve", best, "--json")[1])["status"] == "approved"
    code, out, _ = process("implement", best, "--scale", "pico", "--json")
    assert code == 0
    assert json.loads(out)["check"]["passed"]
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"Paragraph {i} returns a value {i * i}. " * 8 for i in range(200)))
    code, out, _ = process("verify", best, "--scale", "pico", "--seed", "0", "--corpus", str(text), "--json")
    assert code == 0
    result = json.loads(out)
    assert {"bits_per_byte", "tokens", "tokens_per_s", "params", "tasks"} <= set(result)
    assert result["tasks"]["minimal_pairs"]["acc_stderr"] > 0
    assert json.loads(process("designs", "--status", "verified", "--json")[1])[0]["id"] == best
    assert "bits per byte" in process("show", best)[1]
    jobs = json.loads(process("jobs", "--json")[1])
    assert {j["state"] for j in jobs} == {"done"}


def test_evolve_grows_the_tree(core, tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"Paragraph {i} returns a value {i * i}. " * 8 for i in range(200)))
    code, out, err = core("evolve", "--design-budget", "2", "--verify-budget", "pico=2", "--seed", "0", "--corpus", str(text), "--json")
    assert code == 0, err
    done = json.loads(out)
    assert done["new_designs"] == 4
    assert done["spent"] == {"design": 2.0, "pico": 2.0}
    assert done["outcome"] == "done"


def test_build_system_in_one_line(tmp_path: Path):
    code = "from model_discovery import BuildSystem; print(BuildSystem()('discover me a new model', design_budget=1, verify_budget={'pico': 1}))"
    (tmp_path / "scales.yaml").write_text(PICO)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300, env={
        **os.environ, "DATA_DIR": str(tmp_path / "data"), "SCALES_FILE": str(tmp_path / "scales.yaml"), "THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("run-")


@pytest.mark.parametrize(("args", "code", "words"), [
    (("verify", "gpt2", "--scale", "pico", "--corpus", "/nowhere"), 1, "/nowhere does not exist"),
    (("verify", "gpt2", "--scale", "huge"), 2, "no scale 'huge' — use one of pico"),
    (("verify", "nobody", "--scale", "pico"), 1, "no design 'nobody'"),
    (("verify", "gpt2", "--scale", "pico", "--seed", "-1"), 2, "the seed is -1"),
    (("show", "lamma"), 1, "did you mean llama"),
    (("approve", "gpt2"), 2, "gpt2 is a reference"),
    (("evolve", "--verify-budget", "pico"), 2, "'pico' is not NAME=NUMBER"),
    (("evolve", "--selector", "oracle", "--verify-budget", "pico=1"), 2, "selector 'oracle' is unknown"),
    (("jobs", "--id", "99"), 1, "no job 99"),
    (("check", "nofile.py"), 2, "nofile.py cannot be read"),
    (("design", "--parents", "gpt2", "--mode", "crossover"), 2, "crossover with 1 parent"),
    (("budget", "huge", "3"), 2, "no scale 'huge'"),
])
def test_wrong_input_is_one_line_with_its_mend(core, args: tuple[str, ...], code: int, words: str):
    got, _, err = core(*args)
    assert got == code, err
    assert words in one_line(err)


def test_an_empty_corpus_is_named_and_its_budget_given_back(core, tmp_path: Path):
    (tmp_path / "empty.txt").write_text("")
    core("budget", "pico", "1")
    for _ in range(2):
        code, _, err = core("verify", "gpt2", "--scale", "pico", "--corpus", str(tmp_path / "empty.txt"))
        assert code == 1
        estimated, error = err.splitlines()
        assert estimated.startswith("about ")
        assert "empty.txt is empty" in error
    assert json.loads(core("budget", "--json")[1])[-1]["left"] == 1


def test_a_gab_py_with_a_syntax_error_shows_line_and_caret(core, tmp_path: Path):
    (tmp_path / "bad.py").write_text("x = 1\nclass GAB(:\n")
    code, out, _ = core("check", str(tmp_path / "bad.py"), "--scale", "pico")
    assert code == 1
    assert "gab.py:2:" in out
    assert "class GAB(:\n" in out
    assert "^" in out


def test_an_unknown_command_is_a_usage_error(process):
    assert process("dance")[0] == 2
    assert process("verify")[0] == 2


def test_a_port_in_use_is_named(process):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = process("serve", "--check", "--port", str(port))
    assert code == 1
    assert f"127.0.0.1:{port} cannot be served" in one_line(err)


def test_a_data_dir_that_cannot_be_written_is_named(core):
    code, _, err = core("init", DATA_DIR="/proc/nothing")
    assert code == 1
    assert "DATA_DIR /proc/nothing cannot be written" in one_line(err)


def test_a_database_from_the_future_is_left_as_it_is(core, tmp_path: Path):
    core("init")
    path = tmp_path / "data" / "model_discovery.db"
    with sqlite3.connect(path) as c:
        c.execute("UPDATE alembic_version SET version_num = '9999'")
        before = c.execute("SELECT count(*) FROM designs").fetchone()
    code, _, err = core("designs")
    assert code == 1
    assert "later version" in one_line(err)
    with sqlite3.connect(path) as c:
        assert c.execute("SELECT count(*) FROM designs").fetchone() == before


def test_doctor_looks_at_everything(core):
    core("init")
    code, out, _ = core("doctor", "--json")
    assert code == 0
    assert {"python", "packages", "device", "data", "database", "workers", "library", "keys"} <= {f["name"] for f in json.loads(out)}


def test_keys_are_never_printed(process):
    process("init")
    _, out, err = process("doctor", OPENAI_API_KEY="sk-verysecret")
    assert "openai" in out
    assert "sk-verysecret" not in out + err


def test_serve_starts_the_app_and_a_worker(process):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, out, err = process("serve", "--check", "--port", str(port), "--json")
    assert code == 0, err
    assert json.loads(out)["workers"] == 1
    assert json.loads(out)["designs"] == len(list((ROOT / "library" / "designs").iterdir()))


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "core", "designs"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False,
                          timeout=120, env={**os.environ, "DATA_DIR": str(tmp_path / "data")})
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_the_app_and_its_children_in_the_background_too(tmp_path: Path, sign: signal.Signals):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    served = subprocess.Popen(
        ["bash", "-c", f"'{sys.executable}' -m core serve --port {port} & echo $!; wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "DATA_DIR": str(tmp_path / "data")})  # a shell's & makes SIGINT ignored
    try:
        pid = int(served.stdout.readline())
        assert "is at" in served.stdout.readline()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) == 2
        os.kill(pid, sign)
        served.wait(20)
        assert not [child for child in children if Path(f"/proc/{child}").exists()]
    finally:
        served.kill()


def test_a_gab_py_of_one_s_own_goes_in_is_counted_verified_and_comes_out(core, tmp_path: Path):
    own = str(ROOT / "tests" / "fixtures" / "genesys_gab.py")
    code, out, err = core("add", own, "--title", "A Genesys block", "--scale", "pico", "--json")
    assert code == 0, err
    assert json.loads(out)["id"] == "a-genesys-block"
    code, _, err = core("add", own, "--title", "Again", "--scale", "pico")
    assert code == 1
    assert "this is a-genesys-block under other names" in one_line(err.splitlines()[-1])
    code, out, err = core("costs", "a-genesys-block", "--json")
    assert code == 0, err
    assert json.loads(out)["pico"]["params"] > 1000
    assert core("costs", own, "--scale", "pico")[0] == 0
    for name in ("gab", "standalone", "genesys"):
        assert core("export", "a-genesys-block", "--format", name, "--out", str(tmp_path / f"{name}.py"))[0] == 0
    assert core("check", str(tmp_path / "gab.py"), "--scale", "pico")[0] == 0
    code, _, err = core("export", "a-genesys-block", "--format", "hf", "--out", str(tmp_path / "hf"))
    assert code == 1
    assert "no weights" in one_line(err)
    core("budget", "pico", "3")
    code, _, err = core("verify", "a-genesys-block", "--scale", "pico")
    assert code == 0, err
    code, _, err = core("export", "a-genesys-block", "--format", "hf", "--out", str(tmp_path / "hf"))
    assert code == 0, err
    assert {p.name for p in (tmp_path / "hf").iterdir()} >= {"config.json", "model.safetensors", "block.py", "modeling_gab.py", "tokenizer.json", "README.md"}
    code, _, err = core("export", "a-genesys-block", "--format", "hf", "--out", str(tmp_path / "hf"))
    assert code == 2
    assert "is there already" in one_line(err)
