"""Everything that speaks to an ECU; knows nothing of Prometheus or PVOutput."""
