"""Reads the facts that the doctor judges. Nothing here says whether a fact is good or bad."""
