"""Who is where: sessions by user and by room, presence, typing."""
