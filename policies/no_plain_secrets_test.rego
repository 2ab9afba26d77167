package gate.no_plain_secrets_test

import data.gate.no_plain_secrets
import data.gate.samples

_given(kind, fields) := object.union(samples.base, {"stages": [object.union(samples.stage, {
	"kind": kind,
	"inputs": [object.union({"name": "password", "secret": false, "literal": true}, fields)],
})]})

denied := {
	"config": _given("pulumi", {"name": "guestbook:dbPassword"}),
	"vars": _given("ansible", {"name": "api_key"}),
}

allowed := {
	"secret": _given("pulumi", {"secret": true, "literal": false}),
	"reference": _given("ansible", {"literal": false}),
	"another_name": _given("ansible", {"name": "batch"}),
}

test_names_the_stage if {
	some v in no_plain_secrets.violation with input as denied.vars
	contains(v.msg, "api_key")
}
