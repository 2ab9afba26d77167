package gate.keeps_data_test

import data.gate.keeps_data
import data.gate.samples

host(op) := object.union(samples.row, {"op": op, "type": "lighthost:index:Host"})

_protecting := object.union(samples.base, {"env": object.union(samples.base.env, {"protect": {"destroy": true, "types": ["lighthost:index:Host"]}})})

_with_row(row) := object.union(_protecting, {"changes": object.union(samples.base.changes, {"rows": [row]})})

denied := {
	"replace": _with_row(host("replace")),
	"delete": _with_row(host("delete")),
	"unplanned": object.union(_protecting, {"stages": [object.union(samples.stage, {"planned": false, "why_not": "its inputs are not known"})]}),
}

allowed := {
	"update": _with_row(host("update")),
	"another_type": _with_row(object.union(host("replace"), {"type": "lighthost:index:Forward"})),
	"nothing_protected": samples.base,
}

test_says_where if {
	some v in keeps_data.violation with input as denied.replace
	v.paths == ["changes.rows.0"]
}
