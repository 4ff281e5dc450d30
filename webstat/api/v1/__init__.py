"""What programs ask for, under /api/v1: history and the clusters as they are, as JSON, CSV, Parquet and Excel.

routes.py is the table of addresses; columns.py says what every column means, words.py what can be asked,
history.py and live.py fetch it, formats.py writes it down, docs.py describes it to programs and people.
"""
