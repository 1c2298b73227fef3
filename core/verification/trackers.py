"""A training's numbers to TensorBoard or Weights & Biases, for those who ask. Both are packages of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from core.errors import ConfigError
from core.types import CurvePoint, Json

if TYPE_CHECKING:
    from core.verification.work import Work

Follow = Callable[[CurvePoint], None]


@contextmanager
def trackers(work: Work) -> Iterator[Follow]:
    """A function that takes each point; nothing is written where nobody asked. Raises ConfigError where the package or the key is missing."""
    with ExitStack() as stack:
        writers = [stack.enter_context(TRACKERS[name](work)) for name in work.options.trackers]
        yield lambda point: [write(point) for write in writers] and None


@contextmanager
def _tensorboard(work: Work) -> Iterator[Follow]:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError("TensorBoard is not installed", "pip install tensorboard") from None
    writer = SummaryWriter(str(work.config.data_dir / "tensorboard" / _name(work)))
    try:
        yield lambda point: [writer.add_scalar(name, value, point.step) for name, value in _scalars(point).items()] and None
    finally:
        writer.close()


@contextmanager
def _wandb(work: Work) -> Iterator[Follow]:
    try:
        import wandb
    except ImportError:
        raise ConfigError("Weights & Biases is not installed", "pip install wandb") from None
    key = work.config.keys.get("wandb")
    if key:
        wandb.login(key=str(key), relogin=True)
    folder = work.config.data_dir / "wandb"
    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(project="model-discovery", name=_name(work), dir=str(folder), mode="online" if key else "offline",
                     config={"scale": work.scale.name, "seed": work.seed, "corpus": work.corpus.name}, reinit="finish_previous")
    try:
        yield lambda point: run.log(_scalars(point), step=point.step)
    finally:
        run.finish()


def _name(work: Work) -> str:
    return work.folder.name


def _scalars(point: CurvePoint) -> Json:
    found = {"train/loss": point.loss, "train/bits_per_byte": point.bpb, "train/lr": point.lr, "train/grad_norm": point.grad_norm, "train/tokens_per_s": point.tokens_per_s}
    return found | ({"held_out/bits_per_byte": point.held_out} if point.held_out is not None else {})


TRACKERS: dict[str, Callable] = {"tensorboard": _tensorboard, "wandb": _wandb}
