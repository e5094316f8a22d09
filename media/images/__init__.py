"""Photographs: how one is asked for, and how it is decoded, placed and encoded."""
