"""Held-out loss and lm-eval, from saved weights, in a fresh process."""
