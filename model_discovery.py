"""The earlier system's two lines keep working.

    from model_discovery import BuildModel, BuildSystem
    BuildSystem()("discover me a new model")
    BuildModel("openai:gpt-5.5")("what is your name?")
"""

from core.build import BuildSystem, Discovery
from core.talk import BuildModel

__all__ = ["BuildModel", "BuildSystem", "Discovery"]
