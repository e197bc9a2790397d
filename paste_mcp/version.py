"""The version, where everything in the house may read it."""

__version__ = "0.1.0"
