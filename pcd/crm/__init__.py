"""Keeping GoHighLevel in step: what should stand there, the calls that are owed, and what became of them."""
