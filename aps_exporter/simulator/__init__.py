"""An ECU with a roof of its own, for everybody who has none at hand."""
