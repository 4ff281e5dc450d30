"""`make bench-store`: a store of years of jobs on several clusters, made of nothing but a seed."""
