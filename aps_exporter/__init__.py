"""Prometheus exporter for APsystems ECUs, the gateways of a roof of microinverters."""

__version__ = "0.1.0"
