"""Everything we know of Pulumi."""
