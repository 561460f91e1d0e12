"""Draws a dashboard's answers about as Grafana would."""
