"""Does every implementation keep the promise of its port?"""
