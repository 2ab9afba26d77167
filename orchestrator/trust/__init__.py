"""Who can be believed?"""
