"""Ids that callbacks and assets/*.js share; the style sheet uses classes."""

URL = "url"
VIEWER = "viewer"  # {theme, zone} of this browser
NEWS = "news"  # {cluster: stamp}, the last announcements
TICK = "tick"  # the fallback's interval
DRAWN = "drawn"  # {page, clusters, frame, outline, parts, title}: what is on the screen now, as fingerprints

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
