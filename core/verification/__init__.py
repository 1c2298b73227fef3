"""Train and evaluate a design at a scale."""
