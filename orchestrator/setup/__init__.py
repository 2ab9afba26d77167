"""What does a machine need?"""
