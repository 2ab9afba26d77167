"""Carries environments and releases over Pulumi stacks and Ansible playbooks."""
