"""A redundant SCADA runtime whose changeovers are forecast, simulated and drilled."""

__version__ = "0.1.0"
