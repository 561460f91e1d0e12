"""Who should be there: remembered across restarts, and told from who is not."""
