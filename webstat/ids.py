"""Ids that callbacks and assets/*.js share; the style sheet uses classes."""

URL = "url"
VIEWER = "viewer"  # {theme, zone} of this browser
NEWS = "news"  # {cluster: stamp}, the last announcements
TICK = "tick"  # the fallback's interval
DRAWN = "drawn"  # {page, frame, title, clusters}: what is on the screen now

BAR = "bar"
FRESHNESS = "freshness"
DEMO = "demo"
PAGE = "page"
FOOTER = "footer"
TABS = "tabs"

STREAM = "stream"
REFRESH = "refresh"
REFRESH_SAID = "refresh-said"
THEME = "theme"
