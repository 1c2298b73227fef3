"""Passages ranked by counting: beginnings of words, and what only holds a word inside another."""

import pytest

from core.store.paper_counts import Passage, beginning, best_of_papers, ranked, weighed


@pytest.mark.parametrize(("word", "others"), [("memory", "memories"), ("scan", "scanning scanned scans"), ("normalization", "normalize normalized"), ("rule", "rules")])
def test_forms_of_a_word_have_one_beginning(word: str, others: str):
    assert {beginning(other) for other in others.split()} == {beginning(word)}


@pytest.mark.parametrize("word", ["rnn", "kv", "es", "s", "bees", "gru", "all"])
def test_short_words_keep_letters_to_be_told_by(word: str):
    assert len(beginning(word)) >= min(3, len(word))


def passages(*texts: str) -> list[Passage]:
    return [Passage(n, "", text, f"p{n}") for n, text in enumerate(texts)]


def test_a_rare_word_counts_for_more_than_a_common_one():
    words = weighed({"common": ["common"], "rare": ["rare"]}, {"common": 5000, "rare": 2}, 5000)
    assert [p.id for p in ranked(passages("a common word", "a rare word", "neither of them"), words, found=False)] == [1, 0]
    assert len(ranked(passages("a common word", "neither of them"), words, found=True)) == 2


def test_a_heading_counts_twice_and_another_spelling_as_the_same():
    words = weighed({"normalise": ["normalise", "normalize"]}, {"normalise": 5}, 5000)
    first, second = Passage(1, "Normalization", "as told above"), Passage(2, "", "we normalize, told")
    assert [p.id for p in ranked([second, first], words, found=True)] == [1, 2]


def test_what_says_a_word_in_another_form_alone_comes_last():
    words = weighed({"convolutional": ["convolutional"]}, {"convolutional": 1}, 5000)
    assert [p.id for p in best_of_papers(passages("Convolution", "a convolutional net"), words, 10)] == [1, 0]


def test_of_each_paper_one_passage_and_no_more_papers_than_asked():
    words = weighed({"gate": ["gate"]}, {"gate": 1}, 5000)
    many = [Passage(n, "", "gate " * (n % 3 + 1), f"p{n // 3}") for n in range(12)]
    assert [p.id for p in best_of_papers(many, words, 3)] == [2, 5, 8]
    assert ranked([], words, found=True) == []
