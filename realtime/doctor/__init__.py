"""Looks at what a server would run on, and says in a sentence what is wrong and in another what to
do. Nothing is changed by it but files that it makes and removes again."""

from realtime.doctor.doctor import CHECKS, examine
from realtime.doctor.finding import Finding, Level

__all__ = ["CHECKS", "Finding", "Level", "examine"]
