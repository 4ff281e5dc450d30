"""Engines of answers: what follows from the store for somebody who wants to run something. Pages and routes are elsewhere."""
