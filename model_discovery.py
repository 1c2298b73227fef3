"""The earlier system's two lines keep working.

    from model_discovery import BuildSystem
    BuildSystem()("discover me a new model")
"""

from core.build import BuildSystem, Discovery

__all__ = ["BuildSystem", "Discovery"]
