"""Which keys may each kind of document have, and what may each of them hold?"""
