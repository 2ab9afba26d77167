"""What else can a stage be?"""
