"""What was made once: in memory, on several disks, and made by one of all who ask."""
