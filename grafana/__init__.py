"""Grafana dashboards: made here, drawn here, imported by anybody."""
