"""Which functions may a rule call? Those that regorus has and that give one answer to one input."""

from __future__ import annotations

_ALLOWED = """
abs array.concat array.reverse array.slice base64.decode base64.encode
base64.is_valid base64url.decode base64url.encode bits.and bits.lsh bits.negate bits.or bits.rsh
bits.xor ceil concat contains count endswith floor format_int glob.match
graph.reachable hex.decode hex.encode indexof indexof_n intersection is_array is_boolean is_null
is_number is_object is_set is_string json.filter json.is_valid json.marshal json.remove
json.unmarshal lower max min numbers.range numbers.range_step object.filter object.get object.keys
object.remove object.subset object.union object.union_n print product
regex.find_n regex.is_valid regex.match regex.replace regex.split replace round semver.compare
semver.is_valid sort split sprintf startswith strings.any_prefix_match strings.any_suffix_match
strings.count strings.replace_n strings.reverse substring sum time.add_date
time.clock time.date time.diff time.format time.parse_duration_ns time.parse_ns
time.parse_rfc3339_ns time.weekday to_number trim trim_left trim_prefix trim_right trim_space
trim_suffix type_name union units.parse units.parse_bytes upper urlquery.decode urlquery.encode
walk
"""
ALLOWED = frozenset(_ALLOWED.split())

FORBIDDEN = {
    "time.now_ns": "the clock: read input.now",
    "http.send": "the network: what it would answer cannot be judged again",
    "net.lookup_ip_addr": "the network: what it would answer cannot be judged again",
    "rand.intn": "chance: a verdict must come out the same again",
    "uuid.rfc4122": "chance: a verdict must come out the same again",
    "opa.runtime": "the machine: a verdict must come out the same elsewhere",
}
