"""Everything we know of Ansible."""
