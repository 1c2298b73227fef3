"""A table to learn on: designs of the units' grammar, each trained at three cheap scales with several seeds, and the replay of a search over it."""
