"""Who remembers?"""
