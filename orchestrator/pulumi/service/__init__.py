"""How does the `pulumi` command reach states that lie in the store? By its own service API."""
