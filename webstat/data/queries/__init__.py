"""The only reader of the store: each load_* asks one question and returns a frame.

Times are unix seconds UTC (int64; float64 with NaN where a value may be missing), text is dtype str,
states are the words of agent.states. What is computed from a frame is frames.py's and its neighbours';
what is remembered, source.py's.
"""
