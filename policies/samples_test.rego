# What the tests of all rules start from: one input in which nothing is wrong.
package gate.samples

row := {
	"stage": "hosts",
	"tool": "pulumi",
	"op": "update",
	"type": "lighthost:index:Host",
	"name": "web-1",
	"host": "",
	"certainty": "exact",
	"paths": ["memory"],
}

stage := {"name": "hosts", "kind": "pulumi", "planned": true, "why_not": "", "inputs": []}

base := {
	"schema": "gate-input/v1",
	"now": "2026-11-24T12:00:00Z",
	"action": "promote",
	"pipeline": "guestbook",
	"env": {
		"name": "prod",
		"promote_from": ["staging"],
		"protect": {"destroy": false, "types": []},
		"vars": {},
	},
	"release": {"name": "guestbook@2026.11.24-1", "digest": "sha256:0"},
	"stages": [stage],
	"changes": {"counts": {"create": 0, "update": 1, "delete": 0, "replace": 0}, "rows": [row]},
}
