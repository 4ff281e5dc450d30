"""From the store to frames: queries.py reads, frames.py computes, source.py remembers."""
