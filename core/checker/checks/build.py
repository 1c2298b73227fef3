"""Builds the design at its scale."""

from __future__ import annotations

from core.checker.checks.common import Outcome, Subject


def build(subject: Subject) -> Outcome:
    """The model of the fitted size, reduced where it is large, can be made: its parameters are counted on the meta device."""
    fit, scale = subject.fit, subject.scale
    subject.model()
    return Outcome("pass", f"{fit.n_layers} × {fit.d_model}: {fit.params:,} parameters, {fit.off_by:+.1%} of the reference's "
                           f"{fit.reference_params:,} (allowed ±{scale.tolerance:.0%}), and {fit.params_embedding:,} in the embedding")
