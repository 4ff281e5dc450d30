"""Reports of a month, week or day, as one HTML file and as CSV: made by `python -m webstat report`, often by cron."""
