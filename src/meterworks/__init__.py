"""Meterworks: an open, complete smart metering system."""

__all__ = ["__version__"]

__version__ = "0.1.0"
