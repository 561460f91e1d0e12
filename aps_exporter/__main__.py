"""`python -m aps_exporter` is the command `aps-exporter`."""

from aps_exporter.cli import main

main()
