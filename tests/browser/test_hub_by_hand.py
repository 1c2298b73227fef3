"""A corpus of the Hub, made ready by hand: what the Hub answers amiss is told, tried again, and then it is there. The Hub is a server on this machine that speaks its protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hub_stub import StubHub
from playwright.sync_api import Page, expect
from serving import serving, settled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

TALES = "roneneldan/TinyStories"
STORIES = [f"tale {i} " + " ".join(f"w{(i * 13 + k * k) % 307}" for k in range(120)) for i in range(240)]
SCALES = "nano: {n_layers: 2, d_model: 64, context: 64, vocab_size: 512, tokens: 10240, batch_tokens: 512, lr: 3.0e-3, tolerance: 0.2, eval_tokens: 2048, minutes: 0.1}\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubHub]:
    served = tmp_path_factory.mktemp("hub")
    folder = served / "datasets" / TALES / "data"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"text": STORIES}), folder / "train-00000-of-00001.parquet", row_group_size=25)
    with StubHub(served, fails={TALES: 500}) as hub:
        yield hub


@pytest.fixture(scope="module")
def address(hub: StubHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("desk")
    (root / "scales.yaml").write_text(SCALES)
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    with serving({**env, "DATA_DIR": str(root / "data"), "SCALES_FILE": str(root / "scales.yaml"), "HF_ENDPOINT": hub.url, "HF_HOME": str(root / "hf")}) as url:
        yield url


def test_a_corpus_of_the_hub_fails_is_tried_again_and_is_ready(hub: StubHub, address: str, page: Page):
    expect.set_options(timeout=20_000)
    page.goto(f"{address}/data?corpus=tinystories")
    expect(page.get_by_text("It is fetched from the Hub")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Make ready").click()
    told = page.get_by_text("tinystories could not be made ready for nano")
    expect(told).to_be_visible(timeout=90_000)
    expect(told).to_contain_text("500")                      # what the Hub answered, in words
    hub.fails.clear()
    settled(page)
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("240 documents")).to_be_visible(timeout=90_000)
    expect(told).to_have_count(0)

    page.goto(f"{address}/verify?designs=gpt2")
    settled(page)
    page.get_by_role("combobox", name="Corpus").click()
    page.get_by_role("option", name="tinystories").click()
    expect(page.get_by_text("Not ready for nano yet")).to_have_count(0)
    expect(page.get_by_role("button", name="Verify 1")).to_be_enabled()
