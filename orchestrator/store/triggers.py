"""How does a database itself refuse to change the audit? Text of the triggers on both databases."""

from __future__ import annotations

_REFUSAL = "the audit is only ever added to"
_GAP = "an audit row takes the next number"

SQLITE = (
    f"""CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    # INSERT OR REPLACE deletes without firing the trigger above: it meets this one first.
    f"""CREATE TRIGGER audit_next_number BEFORE INSERT ON audit
WHEN NEW.number IS NOT
  (SELECT coalesce(max(number), 0) + 1 FROM audit WHERE project = NEW.project)
BEGIN SELECT RAISE(ABORT, '{_GAP}'); END""",
)

POSTGRESQL = (
    f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    f"""CREATE FUNCTION audit_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.number IS DISTINCT FROM
    (SELECT coalesce(max(number), 0) + 1 FROM audit WHERE project = NEW.project)
  THEN RAISE EXCEPTION '{_GAP}' USING ERRCODE = 'integrity_constraint_violation'; END IF;
  RETURN NEW;
END $$""",
    """CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()""",
    """CREATE TRIGGER audit_next_number BEFORE INSERT ON audit
FOR EACH ROW EXECUTE FUNCTION audit_next()""",
)


def triggers_of(dialect: str) -> tuple[str, ...]:
    """The statements that make them; dialect: sqlite or postgresql."""
    return {"sqlite": SQLITE, "postgresql": POSTGRESQL}[dialect]
