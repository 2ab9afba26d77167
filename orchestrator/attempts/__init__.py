"""How does a stage come to life?"""
