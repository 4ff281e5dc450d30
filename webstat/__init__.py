"""webstat's web side: reads the store, draws the pages, tells browsers of new reports."""
