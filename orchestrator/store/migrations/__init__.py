"""How did the schema come to be, revision by revision? Alembic runs these; see ../upgrade.py."""
