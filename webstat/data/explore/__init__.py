"""History of any length, from the packed columns of ended jobs and what is not packed yet.

question.py says what is asked, buckets.py over which stretches, gather.py brings the jobs, count.py and
quantiles.py count them by the cut of cut.py, answer.py puts together what a page or the API shows.
"""
