# METADATA
# title: What is protected is neither deleted nor replaced
# custom: { id: keeps-data, severity: high, controls: [CM-4] }
package gate.keeps_data

violation contains v if {
	some i, row in input.changes.rows
	row.op in {"delete", "replace"}
	row.type in input.env.protect.types
	v := {
		"id": "keeps-data",
		"severity": "high",
		"msg": sprintf("stage %s would %s %s %s, a protected type", [row.stage, row.op, row.type, row.name]),
		"paths": [sprintf("changes.rows.%d", [i])],
	}
}

# A stage that could not be planned may do anything: it is no proof that nothing is lost.
violation contains v if {
	count(input.env.protect.types) > 0
	some i, stage in input.stages
	stage.kind == "pulumi"
	stage.planned != true
	v := {
		"id": "keeps-data",
		"severity": "high",
		"msg": sprintf("stage %s could not be planned (%s), so nobody knows what it would delete", [stage.name, stage.why_not]),
		"paths": [sprintf("stages.%d", [i])],
	}
}
