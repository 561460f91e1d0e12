"""Serve the readings over HTTP."""
