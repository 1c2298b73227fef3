"""What a block may save besides its parameters. Persistent buffers are saved with the weights, so that what was trained could hide in them."""

EMBEDDING = "embedding.weight"
SPARE, SPARE_SHARE = 4096, 0.05      # numbers; of the parameters


def most_saved(params: int) -> int:
    """Numbers that a model of `params` non-embedding parameters may save, the embedding apart."""
    return int(params * (1 + SPARE_SHARE)) + SPARE
