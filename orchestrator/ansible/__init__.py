"""Everything we know of Ansible: executor, inventory, rows of a check, verdict from stats."""
