"""The files a person edits: providers and prices."""

from __future__ import annotations

import pytest

from core import doctor
from core.cli import main
from core.config import KEYS, ROOT, Config, Secret
from core.errors import ConfigError, KeyRefused, UsageError
from core.llm.base import Usage
from core.llm.catalogue import load_catalogue
from core.llm.price import Price, load_prices
from core.llm.reach import Reach

SHIPPED = Config.from_env({})
OPENAI, ANTHROPIC = {"openai": Secret("k")}, {"anthropic": Secret("k")}

WRONG_PROVIDERS = {
    "providers: {x: {wire: telepathy}}": r"providers.x.wire 'telepathy' is unknown",
    "providers: {x: {wire: chat}}": r"providers.x.base_url is missing",
    "providers: {x: {wire: chat, base_url: 'http://x', temprature: true}}": r"providers.x.temprature is not known",
    "providers: {x: {wire: chat, base_url: 'http://x', temperature: maybe}}": r"providers.x.temperature 'maybe' is no bool",
    "providers: {x: {wire: chat, base_url: 'http://x', context: true}}": r"providers.x.context True is no int",
    "providers: {x: {wire: chat, base_url: 'http://x', models: {'a*': {colour: red}}}}": r"providers.x.models.a\* holds something",
    "providers: {x: {wire: chat, base_url: 'http://x', tiers: [a]}}": r"providers.x.tiers is no mapping",
    "providers: {x: {wire: chat, base_url: 'http://x', key: groq}}": r"providers.x.key is neither",
    "providers: {x: {wire: chat, base_url: 'http://x', stall_s: -1}}": r"providers.x.stall_s is -1",
    "providers: {x: {wire: chat, base_url: 'http://x', connect_s: .nan}}": r"providers.x.connect_s is nan",
    "providers: {x: {wire: chat, base_url: 'http://x', context: -5}}": r"providers.x.context is -5",
    "providers: {x: {wire: chat, base_url: 'http://x', limit_name: model}}": r"providers.x.limit_name 'model' is unknown",
    "providers: {x: {wire: chat, base_url: 'http://x', models: {'a*': {limit_name: model}}}}": r"providers.x.models.a\*.limit_name 'model' is unknown",
    "providers: {x: {wire: chat, base_url: 'http://'}}": r"providers.x.base_url is missing",
    "providers: {x: {wire: chat, base_url: 'http://x:port/v1'}}": r"providers.x.base_url is missing, or no http address",
    "providers: {x: 3}": r"providers.x is no mapping",
    "providers: {}": r"one key, providers",
    "provider: {}": r"one key, providers",
    "[1]": r"holds no mapping",
    "a: b: c": r"line 1 is not YAML",
    "providers:\n  x: {wire: chat\n  y: 3": r"line \d is not YAML",
}


@pytest.mark.parametrize("text", WRONG_PROVIDERS)
def test_a_wrong_providers_file_is_told_with_its_place(tmp_path, text):
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=WRONG_PROVIDERS[text]) as raised:
        load_catalogue(path)
    assert "providers.yaml" in raised.value.what
    assert raised.value.mend


@pytest.mark.parametrize("row", ["{input: 1}", "{input: x, output: 1}", "{input: -1, output: 1}", "{input: .nan, output: 1}", "{input: 1, output: 2, tax: 3}",
                                 "{input: 1, output: 2, long: {input: 3}}", "{input: 1, output: 2, long: {above: null}}", "{input: null, output: 1}", "3"])
def test_a_wrong_price_is_told_with_its_place(tmp_path, row):
    path = tmp_path / "prices.yaml"
    path.write_text(f"prices: {{'a:b': {row}}}")
    with pytest.raises(ConfigError, match=r"prices.yaml: prices.a:b"):
        load_prices(path)


@pytest.mark.parametrize("text", ["providers:\n  groq: {wire: chat, base_url: 'http://127.0.0.1:1/v1', key: GROQ_API_KEY, tiers: {strong: big}}\n",
                                  'providers:\n  groq:\n    label: Groq\n    wire: chat\n    base_url: http://127.0.0.1:1/v1\n    key: "GROQ_API_KEY"   # mine\n    tiers: {strong: big}\n'])
def test_a_provider_may_name_the_variable_that_holds_its_key(tmp_path, text, monkeypatch, capsys):
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    env = {"PROVIDERS_FILE": str(path), "DATA_DIR": str(tmp_path / "data")}
    without, config = Config.from_env(env), Config.from_env({**env, "GROQ_API_KEY": "gsk_0123456789abcdef\n"})
    catalogue = load_catalogue(path)
    with pytest.raises(ConfigError, match="no key") as raised:
        catalogue.resolve("tier:strong", without.keys)
    assert "set GROQ_API_KEY" in raised.value.mend
    with pytest.raises(KeyRefused, match="needs a key") as raised:
        Reach(without).provider(catalogue.entries["groq"])
    assert "set GROQ_API_KEY" in raised.value.mend
    assert catalogue.resolve("tier:strong", config.keys) == ["groq:big"]
    reach = Reach(config)
    reach.provider(catalogue.entries["groq"])
    assert reach.scrub("refused: gsk_0123456789abcdef") == "refused: [key]"
    reach.close()
    assert "gsk_" not in repr(config)
    for name, value in {**env, "GROQ_API_KEY": "gsk_0123456789abcdef"}.items():
        monkeypatch.setenv(name, value)
    assert main(["models"]) == 0
    assert "in GROQ_API_KEY" in capsys.readouterr().out
    monkeypatch.delenv("GROQ_API_KEY")
    assert main(["models"]) == 0
    assert "missing: GROQ_API_KEY" in capsys.readouterr().out
    (lacking,), (found,) = doctor._models(without), doctor._models(config)
    assert "set GROQ_API_KEY" in lacking.words
    assert "(GROQ_API_KEY)" in found.words


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_catalogue(tmp_path / "none.yaml")


def test_what_is_shipped_is_sound_and_its_tiers_have_prices():
    catalogue, prices = load_catalogue(SHIPPED.providers_file), load_prices(SHIPPED.prices_file)
    assert {"openai", "anthropic", "together", "openrouter", "vllm", "ollama", "llamacpp", "local", "replay"} <= set(catalogue.entries)
    for entry in catalogue.entries.values():
        assert not entry.key or entry.key in KEYS
        for model in entry.tiers.values():
            assert prices.of(f"{entry.name}:{model}"), f"{entry.name}:{model} has no price"
    assert all(price.as_of and price.source for price in prices.prices.values())
    assert SHIPPED.providers_file == (ROOT / "library" / "providers.yaml")


def test_a_tier_is_the_first_provider_that_has_a_key():
    catalogue = load_catalogue(SHIPPED.providers_file)
    assert catalogue.resolve("tier:strong", OPENAI)[0].startswith("openai:")
    assert catalogue.resolve(["tier:fast", "ollama:x"], ANTHROPIC) == ["anthropic:claude-haiku-4-5", "ollama:x"]
    assert len(catalogue.resolve("tier:strong", OPENAI | ANTHROPIC)) == 2, "the others are fallen back to"
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY or ANTHROPIC_API_KEY.*ollama:MODEL"):
        catalogue.resolve("tier:strong", {})


@pytest.mark.parametrize(("name", "words"), [("gpt-5", "names no model"), ("openai:", "names no model"), ("nobody:x", "provider 'nobody'"), ("tier:odd", "tier 'odd'")])
def test_a_name_that_is_none_is_told(name, words):
    with pytest.raises(UsageError, match=words):
        load_catalogue(SHIPPED.providers_file).resolve(name, OPENAI)


def test_a_models_own_ways_are_found_by_pattern():
    catalogue = load_catalogue(SHIPPED.providers_file)
    entry, model = catalogue.split("openai:gpt-4.1-mini")
    assert (entry.about(model).temperature, entry.about("gpt-5.5").temperature) == (True, False)
    assert catalogue.split("ollama:qwen3:8b")[1] == "qwen3:8b"


def test_a_price_counts_what_came_from_the_cache_and_what_went_into_it():
    price = Price(input=3, output=15, cached=0.3, cache_write=3.75)
    assert price.of(Usage(input=1_000_000, output=100_000, cached=400_000, cache_written=100_000)) == pytest.approx(0.5 * 3 + 0.4 * 0.3 + 0.1 * 3.75 + 1.5)
    assert price.most(1_000_000, 100_000) == pytest.approx(3.75 + 1.5)
    assert Price(input=1, output=2).of(Usage(input=1_000_000, cached=500_000)) == 1.0, "without a price of its own, the cache saves nothing"


def test_a_long_prompt_has_its_own_price():
    price = Price(input=1, output=2, cached=0.5, long={"above": 1000, "input": 10, "output": 20})
    assert price.of(Usage(input=1000, output=0)) == pytest.approx(0.001)
    assert price.of(Usage(input=2000, output=1000)) == pytest.approx(0.02 + 0.02)
    assert price.most(2000, 0) >= price.of(Usage(input=2000))
