"""Simulated clusters behind commands that print what qstat and pbsnodes print; see README.md."""
