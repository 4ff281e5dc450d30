"""webstat's agent: reads one cluster's qstat and pbsnodes and answers a ZeroMQ REP socket.

The folder is complete alone: Python 3.9+, the standard library and pyzmq.
"""

from __future__ import annotations

__version__ = "0.1.0"
