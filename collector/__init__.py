"""webstat's collector: asks every agent, keeps what changed, announces new data."""
