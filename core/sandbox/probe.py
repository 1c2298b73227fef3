"""A task that does nothing: for looking at the layers."""

from __future__ import annotations


def main(channel, payload: dict, arrays: list) -> None:
    channel.send({"done": True})
