"""Ids that callbacks and assets/*.js share; the style sheet uses classes."""

URL = "url"
VIEWER = "viewer"  # {theme, zone, me} of this browser
NEWS = "news"  # {cluster: stamp}, the last announcements
TICK = "tick"  # the fallback's interval
DRAWN = "drawn"  # {page, clusters, frame, outline, marks, title}: what is on the screen now, as fingerprints

BAR = "bar"
FRESHNESS = "freshness"
DEMO = "demo"
PAGE = "page"
PANEL = "panel"
FOOTER = "footer"
TABS = "tabs"

STREAM = "stream"
REFRESH = "refresh"
REFRESH_SAID = "refresh-said"
THEME = "theme"
FIND = "find"  # the search box, made by search.js
ME = "me"  # whose browser this is, made by me.js
