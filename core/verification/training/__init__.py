"""Corpora, tokenizer, and the training loop that runs in a sandboxed child."""
