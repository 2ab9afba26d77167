package gate.one_at_a_time_test

import data.gate.one_at_a_time
import data.gate.samples

_task(host) := object.union(samples.row, {
	"tool": "ansible", "op": "change", "type": "", "name": "app : copy source", "host": host, "certainty": "predicted",
})

_on(hosts, vars) := object.union(object.union(samples.base, {"env": object.union(samples.base.env, {"vars": vars})}), {"changes": {
	"counts": samples.base.changes.counts,
	"rows": [_task(host) | some host in hosts],
}})

denied := {
	"all_at_once": _on(["web-1", "web-2"], {"batch": "100%"}),
	"nobody_said": _on(["web-1", "web-2"], {"cidr": "10.0.0.0/24"}),
	"no_percentage": _on(["web-1", "web-2"], {"batch": 2}),
}

allowed := {
	"in_thirds": _on(["web-1", "web-2", "web-3"], {"batch": "34%"}),
	"one_host": _on(["web-1"], {"batch": "100%"}),
}

test_counts_hosts_once if {
	said := one_at_a_time.violation with input as _on(["web-1", "web-2", "web-2"], {"batch": "100%"})
	some v in said
	startswith(v.msg, "2 hosts")
}
