"""Answering GET and HEAD: who may see what, which bytes, in which ranges, how fast."""
