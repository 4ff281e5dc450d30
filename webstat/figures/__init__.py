"""Pure functions from frames to figures: plain dicts for Plotly, or None where there is nothing to draw."""
