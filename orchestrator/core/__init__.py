"""What should happen next?"""
