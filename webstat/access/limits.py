"""How often somebody may do something that costs much; counted by the library `limits`, in this process."""

from __future__ import annotations

import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter


class Limits:
    """The counts of one process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait(self, what: str, who: str, most: int) -> float:
        """Count one more of `most` a minute; how many seconds are to be waited where that is too many, else 0."""
        item = RateLimitItemPerMinute(most)
        if self._limiter.hit(item, what, who):
            return 0.0
        return max(1.0, self._limiter.get_window_stats(item, what, who).reset_time - time.time())
