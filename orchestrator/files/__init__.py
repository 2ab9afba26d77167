"""Who reads the project?"""
