"""Who looks, and what they may see and do."""
