"""Everything that speaks to PVOutput.org; knows nothing of Prometheus or of ECU pages."""
