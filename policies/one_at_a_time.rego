# METADATA
# title: Where an environment takes hosts in batches, no batch is all of them
# custom: { id: one-at-a-time, severity: medium, controls: [CP-10] }
package gate.one_at_a_time

most := 50 # percent of the hosts at once

# What changes on more than one host goes out in batches of `vars.batch`.
violation contains v if {
	hosts := {row.host | some row in input.changes.rows; row.tool == "ansible"; row.host != ""}
	count(hosts) > 1
	share := _share
	share > most
	v := {
		"id": "one-at-a-time",
		"severity": "medium",
		"msg": sprintf("%d hosts change with vars.batch at %d%%; at most %d%% may at once", [count(hosts), share, most]),
		"paths": ["env.vars.batch"],
	}
}

# A batch that nobody gave is all hosts at once; so is one that is no percentage.
_share := to_number(trim_suffix(input.env.vars.batch, "%")) if {
	is_string(input.env.vars.batch)
	regex.match(`^[0-9]{1,3}%$`, input.env.vars.batch)
} else := 100
