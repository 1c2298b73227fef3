"""Weights on disk, in this process: a model of a few thousand parameters that knows nothing, made here."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from llm_setting import QUICK

from core.config import Config
from core.errors import Cancelled, ModelUnknown, TimedOut, TooLong
from core.llm.base import Finish
from core.llm.caller import Caller

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("weights")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: n for n, c in enumerate([*alphabet, "<end>"])}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(vocab_size=257, n_positions=256, n_embd=16, n_layer=1, n_head=2, eos_token_id=256, bos_token_id=256)).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_it_answers_streams_stops_and_tells_what_is_wrong(serve, weights, tmp_path):
    served = serve()
    path = served.config.providers_file
    path.write_text(path.read_text() + "  local: {label: weights on this machine, wire: local, free: true, temperature: true, tools: false}\n")
    served.caller = Caller.open(Config.from_env({"DATA_DIR": str(tmp_path / "data"), **_kept(served.config)}), served.store, replace(QUICK, look_s=0.001))
    name = f"local:{weights}"
    answer = served.ask(name, "hi", key="1", max_tokens=30)
    assert answer.text == served.shown
    assert answer.finish in (Finish.LENGTH, Finish.STOP)
    assert 0 < answer.usage.output <= 30
    assert answer.usage.input == len("<system>be brief<user>hi<assistant>")
    assert served.caller.money("1") == 0.0
    assert served.ask(name, "hi", key="2", max_tokens=30, temperature=1.0).text == served.ask(name, "hi", key="3", max_tokens=30, temperature=1.0).text
    with pytest.raises(TooLong, match="sees 256"):
        served.ask(name, "x" * 300, key="4")
    with pytest.raises(ModelUnknown, match="no weights of a language model"):
        served.ask(f"local:{tmp_path}/nothing", key="5")
    start = time.monotonic()

    def stop():
        if served.store.calls.open("6"):
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        served.ask(name, "hi", key="6", max_tokens=200, check_cancel=stop)
    assert time.monotonic() - start < 2
    with pytest.raises(TimedOut):
        served.ask(name, "hi", key="7", max_tokens=200, deadline_s=0.0)


def _kept(config):
    return {"PROVIDERS_FILE": str(config.providers_file), "PRICES_FILE": str(config.prices_file)}
