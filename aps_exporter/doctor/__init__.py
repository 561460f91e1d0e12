"""Looks at one ECU from all sides and says what it is, what is odd, and what to do."""
