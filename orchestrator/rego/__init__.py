"""Who judges by rules? Rego v1 on regorus, in an isolated process, closed whenever in doubt."""
