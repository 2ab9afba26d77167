# METADATA
# title: What is called a secret is one
# custom: { id: no-plain-secrets, severity: high, controls: [IA-5, SC-28] }
package gate.no_plain_secrets

violation contains v if {
	some i, stage in input.stages
	some k, given in stage.inputs
	regex.match(`(?i)(passw(or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|credential)`, given.name)
	given.secret != true
	given.literal != false
	v := {
		"id": "no-plain-secrets",
		"severity": "high",
		"msg": sprintf("stage %s is given %s in clear, as it stands in the pipeline's file", [stage.name, given.name]),
		"paths": [sprintf("stages.%d.inputs.%d", [i, k])],
	}
}
