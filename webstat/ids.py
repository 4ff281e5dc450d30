"""Ids that callbacks and assets/*.js share; the style sheet uses classes."""

URL = "url"
VIEWER = "viewer"  # {theme, zone, me} of this browser
NEWS = "news"  # {cluster: stamp}, the last announcements
TICK = "tick"  # the fallback's interval
DRAWN = "drawn"  # {page, clusters, frame, outline, marks, title}: what is on the screen now, as fingerprints

BAR = "bar"
FRESHNESS = "freshness"
DEMO = "demo"
PAST = "past"  # the bar of the time machine
PAST_DATE = "past-date"  # its field of the date and
PAST_SLIDER = "past-slider"  # its slider, made by past.js
PAGE = "page"
PANEL = "panel"
FOOTER = "footer"
LOOK_BACK = "look-back"  # the button that opens the time machine
TABS = "tabs"

STREAM = "stream"
REFRESH = "refresh"
REFRESH_SAID = "refresh-said"
THEME = "theme"
FIND = "find"  # the search box, made by search.js
ME = "me"  # whose browser this is, made by me.js
ASK = "ask"  # the fields of "Where can I run now?", made by ask.js
ANSWERS = "answers"  # what they ask for
