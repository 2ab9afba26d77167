"""Who is plugged in where?"""
