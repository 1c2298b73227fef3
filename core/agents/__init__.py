"""Designers, reviewers and coders. Each speaks through a `Dialog`; language models and built-in programs alike."""
